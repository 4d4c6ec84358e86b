"""What a person is told once of the place that files are written to."""

from __future__ import annotations

import multiprocessing
import sys

_told: set[str] = set()


def note_once(kind: str, text: str) -> None:
    """Prints a note to stderr, the first of its kind that this process has to tell.

    Worker processes are silent: the process that started them works in the same folders, and tells.
    """
    if kind not in _told and multiprocessing.parent_process() is None:
        _told.add(kind)
        print(f"note: {text}", file=sys.stderr, flush=True)
