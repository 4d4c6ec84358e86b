"""What is done with every job: a JSON file that names its work, and that leaves one JSON file as its result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

Result = dict[str, Any]


def _nothing_left_to_do(result: Result) -> None:
    pass


class Step(NamedTuple):
    """Functions of importable modules, since workers import them by name.

    Attributes:
      work: job file -> a small result. It writes what it makes itself.
      finish: what is to be done with that result and waits for the disk: of local workers another process does it, and
        the worker starts its next job.
    """

    work: Callable[[str], Result]
    finish: Callable[[Result], None] = _nothing_left_to_do
