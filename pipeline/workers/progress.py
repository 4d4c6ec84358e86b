"""How far a long piece of work is, and how much memory its processes take."""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType
from typing import Any

import psutil
from tqdm import tqdm

LINE_SECONDS = 10.0
SAMPLE_SECONDS = 0.2
JUST_BORN = 0.1  # seconds in which a forked process still shows its parent's memory as its own


class Progress:
    """A bar where a terminal is there to show it, a plain line every few seconds where not. Writes to stderr."""

    def __init__(self, what: str, total: int, unit: str = "painting") -> None:
        self._what, self._total, self._unit = what, total, unit
        self._done = 0
        self._begun = self._last = time.monotonic()
        self._bar: Any = None
        if sys.stderr.isatty():
            self._bar = tqdm(total=total, desc=what, unit=f" {unit}s", dynamic_ncols=True, smoothing=0.1)

    def add(self, done: int) -> None:
        """That many more are done."""
        self._done += done
        if self._bar is not None:
            self._bar.update(done)
        elif time.monotonic() - self._last > LINE_SECONDS:
            self._last = time.monotonic()
            rate = self._done / (self._last - self._begun)
            left = (self._total - self._done) / rate if rate else 0
            self._print(f"{rate:.0f}/s, {left:.0f} s left")

    def _print(self, more: str) -> None:
        print(f"{self._what}: {self._done:,} of {self._total:,} {self._unit}s, {more}", file=sys.stderr, flush=True)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.close()
        elif kind is None:
            self._done = self._total  # other runners than the local one do not say how far they are
            self._print(f"{time.monotonic() - self._begun:.1f} s")


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
