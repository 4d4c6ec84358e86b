"""Silences what TensorFlow says of itself: notes on oneDNN and on a missing GPU, a dozen lines before anything of ours.

TF_CPP_MIN_LOG_LEVEL=3 keeps most of it back, but some lines are written while its libraries are loaded, before they
look at that. So standard error is caught during the import, and only what is no such note is passed on. Who sets
TF_CPP_MIN_LOG_LEVEL (to 0, say) has all of it back.
"""

from __future__ import annotations

import importlib.util
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

LEVEL = "TF_CPP_MIN_LOG_LEVEL"
# The last is what versions before 2.20 say of libraries that they hold twice.
_NOTE = re.compile(
    rb"[IW]\d{4} \d|WARNING: All log messages before absl::InitializeLog|E\d{4} .*Unable to register cu\w+ factory"
)


def hush_tensorflow() -> None:
    """Prepares for the import of TensorFlow, whoever it is that imports it; does nothing where LEVEL is set."""
    if LEVEL not in os.environ:
        os.environ[LEVEL] = "3"
        sys.meta_path.insert(0, _Finder())


class _Finder:
    """Finds TensorFlow as anybody would, and lends it a quiet loader."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != "tensorflow":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader(Loader):
    """A loader whose module says nothing of the kind of `_NOTE` while it is executed."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> Any:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        with _caught():
            self._loader.exec_module(module)


@contextmanager
def _caught() -> Iterator[None]:
    try:
        before = os.dup(2)
    except OSError:  # there is no standard error
        yield
        return
    with tempfile.TemporaryFile() as caught:
        os.dup2(caught.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(before, 2)
            os.close(before)
            caught.seek(0)
            for line in caught:
                if not _NOTE.match(line):
                    with suppress(OSError):
                        os.write(2, line)
