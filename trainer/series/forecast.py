"""How long will the rest of some runs take? From what their epochs have taken so far."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from trainer.network.backbones import BACKBONES

_GUESS = 30.0  # seconds that a run takes beside its epochs, until one has shown it


def work(backbone: str, side: int, records: int, epochs: int) -> float:
    """How much a run has to compute, in units that only compare.

    Args:
      backbone: of BACKBONES.
      side: of the pictures it sees, in pixels.
      records: training records in the dataset.
      epochs: of the run.
    """
    return BACKBONES[backbone].cost * (side / 224) ** 2 * records * epochs


@dataclass(frozen=True, slots=True)
class Part:
    """One of the runs.

    Attributes:
      work: of the function above.
      done: share of its epochs that are trained, 0..1.
      seconds: its epochs have taken so far.
      ended: whether nothing is left of it: finished, or failed.
    """

    work: float
    done: float
    seconds: float
    ended: bool


def share_done(parts: Iterable[Part]) -> float:
    """Share of all work that is done, 0..1; what failed is done with."""
    known = [(part.work, 1.0 if part.ended else part.done) for part in parts]
    return sum(work * done for work, done in known) / max(sum(work for work, _ in known), 1e-9)


def seconds_left(parts: Sequence[Part], around: Sequence[float]) -> float | None:
    """An estimate; None until an epoch has been trained.

    Args:
      parts: all runs.
      around: seconds that finished runs took beside their epochs, for loading, validating and evaluating.
    """
    trained = sum(part.work * part.done for part in parts)
    if not trained:
        return None
    rate = sum(part.seconds for part in parts) / trained
    beside = sum(around) / len(around) if around else _GUESS
    return sum(rate * part.work * (1 - part.done) + beside for part in parts if not part.ended)
