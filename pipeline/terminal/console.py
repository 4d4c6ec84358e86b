"""Console scripts, which run modules."""

from __future__ import annotations

import functools
import runpy


def command(module: str) -> functools.partial[dict[str, object]]:
    """What runs a module as `python -m` does, --help and worker processes included; it ends in `sys.exit`."""
    return functools.partial(runpy.run_module, module, run_name="__main__", alter_sys=True)
