"""How far are jobs that somebody else's workers do? Told by the results that appear, whatever their runner says."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from pipeline.errors import StorageError
from pipeline.storage import files
from pipeline.workers.step import Result

LOCAL_SECONDS, REMOTE_SECONDS = 1.0, 10.0  # between two looks; a store bills each listing
_AT_WORK = 0.05  # of the time at most is spent on looks


@dataclass(frozen=True, slots=True)
class Results:
    """Where jobs leave what they make.

    Attributes:
      folders: in which files appear.
      mark: what is in their names.
      before: how many there are that no job needs to make.
      files: how many more there are when all jobs are done.
      paintings: how many paintings these are of.
    """

    folders: tuple[str, ...]
    mark: str
    before: int
    files: int
    paintings: int

    def done(self) -> int:
        """How many of the paintings are done. Raises OSError, StorageError."""
        return int(self.paintings * min(1.0, (count(self.folders, self.mark) - self.before) / max(1, self.files)))


def count(folders: Iterable[str], mark: str) -> int:
    """How many files are there, half-written ones left out. Raises OSError, StorageError."""
    names = (name for folder in folders for name in files.sizes(folder))
    return sum(mark in name and not name.startswith(files.TEMPORARY) for name in names)


class Watch:
    """Looks now and then for results that have appeared, and tells of them as finished jobs would; for `with`."""

    def __init__(self, results: Results, on_done: Callable[[Result], None]) -> None:
        """`on_done` is called with {"paintings": how many more}, by a thread."""
        self._results, self._on_done = results, on_done
        self._told = 0
        self._least = REMOTE_SECONDS if any(map(files.is_remote, results.folders)) else LOCAL_SECONDS
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        pause = self._least
        ended = False
        while not ended:
            ended = self._end.wait(pause)
            started = time.monotonic()
            with suppress(OSError, StorageError):  # only a bar stands still; whoever writes there says what is wrong
                self._look()
            pause = max(self._least, (time.monotonic() - started) / _AT_WORK)

    def _look(self) -> None:
        seen = self._results.done()
        if seen > self._told:
            self._on_done({"paintings": seen - self._told})
            self._told = seen

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
