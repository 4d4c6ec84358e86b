"""The metrics of a run: name, title and formula of each, in one list that report, tables and comparisons read.

Every one is a function of sums over works, so that its bootstrap interval is the same formula on resampled sums. A
new one is a row here, and its line in the test that holds the formulas against scikit-learn's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


class Sums(NamedTuple):
    """Over some paintings, or many resamples of them ([...] leading dimensions).

    Attributes:
      units, top1, top5, loss: [...], how many units (paintings or crops) there are, have the true artist clearly first,
        or among the first five; and their summed cross-entropy in nats.
      right, named, true: [..., artists], units that name the artist rightly, name the artist, and are the artist's.
    """

    units: np.ndarray
    top1: np.ndarray
    top5: np.ndarray
    loss: np.ndarray
    right: np.ndarray
    named: np.ndarray
    true: np.ndarray


@dataclass(frozen=True, slots=True)
class Metric:
    """A number about a split.

    Attributes:
      name: in results.json.
      title: in words, for a report.
      formula: `Sums` -> [...]; NaN where it is not defined.
      is_share: whether it is a share of paintings, 0..1, the higher the better; else nats, the lower the better.
      exact: whether it counts units, so that a share of all or none has a binomial interval.
      tabled: whether tables of many runs show it.
      baseline: what one scores without looking, by its name in `results.json`'s baselines, and in words.
    """

    name: str
    title: str
    formula: Callable[[Sums], np.ndarray]
    is_share: bool = True
    exact: bool = False
    tabled: bool = False
    baseline: tuple[str, str] | None = None


def _f1(sums: Sums) -> np.ndarray:
    return np.asarray(2 * sums.right / (sums.named + sums.true))


METRICS = (
    Metric(
        "top1",
        "Right artist named first (top-1)",
        lambda sums: sums.top1 / sums.units,
        exact=True,
        tabled=True,
        baseline=("majority_top1", "the largest artist, always"),
    ),
    Metric(
        "top5",
        "Right artist among the first five (top-5)",
        lambda sums: sums.top5 / sums.units,
        exact=True,
        tabled=True,
        baseline=("prior_top5", "the five largest, always"),
    ),
    # Over artists that occur, be it as truth or as answer; balanced accuracy over those that occur as truth.
    Metric("macro_f1", "Macro-F1, every artist alike", lambda sums: np.nanmean(_f1(sums), axis=-1), tabled=True),
    Metric(
        "balanced_accuracy",
        "Balanced accuracy (mean recall)",
        lambda sums: np.nanmean(sums.right / sums.true, axis=-1),
        baseline=("one_artist_recall", "one artist, always"),
    ),
    Metric("loss", "Cross-entropy (nats, less is better)", lambda sums: sums.loss / sums.units, is_share=False),
)

# Of each artist: [..., artists].
PER_ARTIST: dict[str, Callable[[Sums], np.ndarray]] = {
    "precision": lambda sums: sums.right / sums.named,
    "recall": lambda sums: sums.right / sums.true,
    "f1": _f1,
}


def from_sums(sums: Sums) -> dict[str, np.ndarray]:
    """All metrics [...], and those of each artist [..., artists]; NaN where undefined."""
    with np.errstate(invalid="ignore", divide="ignore"):  # of an artist that is never named, or has no painting here
        found = {metric.name: metric.formula(sums) for metric in METRICS}
        return {**found, **{name: formula(sums) for name, formula in PER_ARTIST.items()}}
