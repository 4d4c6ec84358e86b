"""Console scripts, which run modules."""

from __future__ import annotations

import functools
import runpy
import sys


def command(module: str) -> functools.partial[None]:
    """What runs a module as `python -m` does, --help and worker processes included; it ends in `sys.exit`."""
    return functools.partial(_run, module, run_name="__main__", alter_sys=True)


def _run(module: str, run_name: str, alter_sys: bool) -> None:
    try:
        runpy.run_module(module, run_name=run_name, alter_sys=alter_sys)
    except ModuleNotFoundError as error:
        package, _, command = module.partition(".")
        if error.name is None or error.name.partition(".")[0] == package:
            raise
        extra = "build" if package == "pipeline" else "train"
        sys.exit(f"error: {command} needs {error.name}, which is not installed. Run: pip install 'morelli[{extra}]'")
