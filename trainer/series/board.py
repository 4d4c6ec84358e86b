"""How far a series of runs is: a bar where a terminal shows it, plain lines elsewhere."""

from __future__ import annotations

import sys
import time

from tqdm import tqdm

_PLAIN_SECONDS = 60.0  # between lines where no terminal shows a bar
_STEPS = 1000  # of the bar


class Board:
    """Example:

    >>> board = Board()
    >>> board.say("first: begins")
    >>> board.show(0.25, "first, epoch 1 of 4", "about 3 min left")
    >>> board.close()
    """

    def __init__(self) -> None:
        self._shown = time.monotonic()
        form = "{percentage:3.0f}%|{bar:20}| {desc}{postfix}"
        live = sys.stderr.isatty()
        self._bar = tqdm(total=_STEPS, bar_format=form, dynamic_ncols=True, leave=False) if live else None

    def say(self, text: str) -> None:
        """A line that stays."""
        if self._bar is None:
            print(text, flush=True)
        else:
            self._bar.write(text)

    def show(self, share: float, doing: str, left: str) -> None:
        """Where things are; call it often.

        Args:
          share: of all work that is done, 0..1.
          doing: what is under way.
          left: how long the rest will take, in words.
        """
        if self._bar is not None:
            self._bar.n = round(share * _STEPS)
            self._bar.set_description_str(doing, refresh=False)
            self._bar.set_postfix_str(left)
        elif time.monotonic() - self._shown > _PLAIN_SECONDS:
            self._shown = time.monotonic()
            print(f"{share:4.0%} done, {left}; {doing}", flush=True)

    def close(self) -> None:
        """Takes the bar away."""
        if self._bar is not None:
            self._bar.close()
