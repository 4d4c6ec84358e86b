"""How far a long piece of work is: a bar where a terminal shows it, a plain line now and then where not."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any, Self

from tqdm import tqdm

from pipeline.terminal.streams import say

_SHARES = "{percentage:3.0f}%|{bar:20}| {desc}{postfix}"  # of a bar that counts nothing


class Progress:
    """Shown on stderr, which may be a terminal or not.

    Example:
      >>> with Progress("survey", 3) as progress:
      ...     for painting in paintings:
      ...         look_at(painting)
      ...         progress.add(1)
      survey: 3 of 3 paintings, 0.1 s
    """

    def __init__(
        self,
        what: str,
        total: float,
        unit: str = "painting",
        *,
        done: float = 0,
        every: float = 10.0,
        stays: bool = True,
        quiet: bool = False,
    ) -> None:
        """Nothing is shown before the first step.

        Args:
          what: the work, in a few words.
          total: how much there is to do.
          unit: what is counted, in the singular; "": nothing is, `total` is 1.
          done: how much was done before.
          every: seconds between plain lines.
          stays: whether the bar, or else a last line, remains when the work is done.
          quiet: show nothing at all.
        """
        self._what, self._total, self._unit, self._done = what, total, unit, done
        self._every, self._stays, self._quiet = every, stays, quiet
        self._started = self._last = time.monotonic()
        self._before = done
        self._bar: Any = None
        if sys.stderr is not None and sys.stderr.isatty() and not quiet:
            form = {"unit": f" {unit}s"} if unit else {"bar_format": _SHARES}
            self._bar = tqdm(
                total=total, initial=done, desc=what, dynamic_ncols=True, smoothing=0.1, leave=stays, **form
            )

    def add(self, done: float) -> None:
        """That much more is done."""
        self.reach(self._done + done)

    def reach(self, done: float, more: str = "", what: str = "") -> None:
        """That much is done in all; call it often.

        Args:
          done: of `total`.
          more: what else there is to tell; speed and time left where it is empty.
          what: the work, where that has changed.
        """
        step, self._done, self._what = done - self._done, done, what or self._what
        now = time.monotonic()
        if self._bar is not None:
            self._bar.set_description_str(self._what, refresh=False)
            if more:
                self._bar.set_postfix_str(more, refresh=not self._unit)
            self._bar.update(step)
        elif now - self._last > self._every:
            self._last = now
            self._print(more or self._speed(now - self._started))

    def say(self, text: str) -> None:
        """A line on stdout that stays, above the bar."""
        if self._bar is None:
            say(text)
        else:
            self._bar.write(text)

    def _speed(self, seconds: float) -> str:
        rate = (self._done - self._before) / seconds
        left = (self._total - self._done) / rate if rate else 0
        return f"{rate:.0f}/s, {left:.0f} s left"

    def _print(self, more: str) -> None:
        if self._quiet:
            return
        counted = f"{self._done:,} of {self._total:,} {self._unit}s" if self._unit else f"{self._done:.0%} done"
        print(f"{self._what}: {counted}, {more}", file=sys.stderr, flush=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.close()
        elif kind is None and self._stays:
            self._print(f"{time.monotonic() - self._started:.1f} s")
