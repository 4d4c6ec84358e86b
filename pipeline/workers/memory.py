"""How much memory do processes take?"""

from __future__ import annotations

import threading
import time

import psutil

SAMPLE_SECONDS = 0.2
JUST_BORN = 0.1  # seconds in which a forked process still shows its parent's memory as its own


def tree_memory(root: psutil.Process) -> int:
    """Resident bytes of a process and all below it, pages that they share counted for each."""
    total = 0
    try:
        below = root.children(recursive=True)
    except psutil.Error:
        below = []
    for process in (root, *below):
        try:
            if process is root or time.time() - process.create_time() > JUST_BORN:
                total += process.memory_info().rss
        except psutil.Error:  # it has just ended
            continue
    return total


class PeakMemory:
    """Samples the resident memory of this process and all its children; `mib` is the highest sum seen."""

    def __init__(self) -> None:
        self.mib = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        me = psutil.Process()
        while not self._stop.wait(SAMPLE_SECONDS):
            self.mib = max(self.mib, tree_memory(me) >> 20)

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
