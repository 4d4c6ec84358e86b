"""Console scripts, which run modules."""

from __future__ import annotations

import functools
import runpy
import sys
from types import TracebackType


def command(module: str) -> functools.partial[None]:
    """What runs a module as `python -m` does, --help and worker processes included; it ends in `sys.exit`."""
    return functools.partial(_run, module, run_name="__main__", alter_sys=True)


def _run(module: str, run_name: str, alter_sys: bool) -> None:
    try:
        runpy.run_module(module, run_name=run_name, alter_sys=alter_sys)
    except ModuleNotFoundError as error:
        if said := missing(error, module.partition(".")[0]):
            sys.exit(f"error: {said}")
        raise


def missing(error: ModuleNotFoundError, package: str) -> str:
    """A sentence for who installed a package of this project without what its commands need; "" for another fault."""
    if error.name is None or error.name.partition(".")[0] in ("pipeline", "trainer"):
        return ""
    extra = {"pipeline": "build", "trainer": "train"}[package]
    return f"this needs {error.name}, which is not installed. Run: pip install 'morelli[{extra}]'"


def expect_missing(package: str) -> None:
    """Has `python -m` end with that sentence, too, where an import fails. Called when a package is imported."""
    if sys.argv[:1] != ["-m"]:
        return
    otherwise = sys.excepthook

    def say(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        said = missing(error, package) if isinstance(error, ModuleNotFoundError) else ""
        if said:
            print(f"error: {said}", file=sys.stderr)
        else:
            otherwise(kind, error, trace)

    sys.excepthook = say
