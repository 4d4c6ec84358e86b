"""How much do the facts of files tell of who painted the pictures in them?

Collections differ in how they photograph as they differ in painters, so that a model may seem to know painters and
know collections. Here the facts of a file speak each for itself, by how often each artist's files have had the like
(naive Bayes, on eighths of their range); counted in one pass, however many paintings there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from pipeline.dataset.dataset import Dataset
from pipeline.dataset.paintings import PHOTOGRAPH

_BINS = 8
_DOUBT = 4.0  # an artist's paintings count beside so many that are like everybody's
_MOST = 50_000  # paintings of a split that are looked at; tables are in the order of shards, to which hashes deal them
_NAMES = {
    "compression": "compression",
    "profile": "colour profile (there or not)",
    "exif": "EXIF (there or not)",
    "gray": "mean gray",
    "border": "uniform borders",
}


@dataclass(frozen=True, eq=False)
class Photographs:
    """What the facts of a split's files say, of each painting that is asked about.

    Attributes:
      facts: what was looked at, in words.
      scores: float64[paintings, artists], rows of sum 1.
      labels: int64[paintings], who painted them.
      ids: of the paintings.
      works: of the paintings; near copies are one.
    """

    facts: tuple[str, ...]
    scores: np.ndarray
    labels: np.ndarray
    ids: tuple[str, ...]
    works: tuple[str, ...]

    @property
    def top1(self) -> float:
        """Share of the works whose artist the facts name."""
        return self._share(self.scores.argmax(axis=1) == self.labels)

    @property
    def macro_f1(self) -> float:
        """Mean over the artists there are of the F1 of the names given."""
        named = self.scores.argmax(axis=1)
        both = np.union1d(named, self.labels)
        weights = self._weights()
        f1 = []
        for label in both:
            right = weights[(named == label) & (self.labels == label)].sum()
            f1.append(2 * right / (weights[named == label].sum() + weights[self.labels == label].sum()))
        return float(np.mean(f1))

    def _share(self, right: np.ndarray) -> float:
        return float(np.average(right, weights=self._weights()))

    def _weights(self) -> np.ndarray:
        _, inverse, counts = np.unique(np.array(self.works), return_inverse=True, return_counts=True)
        return np.asarray(1 / counts[inverse])


def ask_photographs(dataset: Dataset) -> Photographs | None:
    """Learns from the training paintings' files, and asks those of the test split; None where either is empty."""
    seen, asked = (_rows(dataset, split) for split in ("train", "test"))
    if not seen or not asked:
        return None
    there = [name for name in PHOTOGRAPH if name in seen[0]]
    labels = np.array([row["label"] for row in seen])
    scores = _scores(_table(seen, there), labels, _table(asked, there), len(dataset.contract.labels))
    return Photographs(
        facts=("size", "shape", "bytes per pixel", *(_NAMES[name] for name in there)),
        scores=scores,
        labels=np.array([row["label"] for row in asked]),
        ids=tuple(row["painting_id"] for row in asked),
        works=tuple(row["group"] for row in asked),
    )


def _rows(dataset: Dataset, split: str) -> list[Mapping[str, Any]]:
    columns = ("painting_id", "label", "group", "width", "height", "bytes", *PHOTOGRAPH)
    return list(islice(dataset.paintings(*columns, split=split), _MOST))


def _table(rows: Sequence[Mapping[str, Any]], there: Sequence[str]) -> np.ndarray:
    """float64[paintings, facts]."""
    return np.array([[*_shape(row), *(float(row[name]) for name in there)] for row in rows])


def _shape(row: Mapping[str, Any]) -> tuple[float, float, float]:
    """Logarithms of size, aspect and bytes per pixel; a table may come from somebody else, and hold a 0."""
    width, height, size = (max(1, row[name]) for name in ("width", "height", "bytes"))
    return float(np.log(width * height)), float(np.log(width / height)), float(np.log(size / (width * height)))


def _scores(seen: np.ndarray, labels: np.ndarray, asked: np.ndarray, classes: int) -> np.ndarray:
    """float64[asked, classes] of sum 1."""
    paintings = np.bincount(labels, minlength=classes)
    said = np.tile(np.log((paintings + 1) / (len(labels) + classes)), (len(asked), 1))
    for known, new in zip(seen.T, asked.T, strict=True):
        edges = np.unique(np.quantile(known, np.linspace(0, 1, _BINS + 1)[1:-1]))
        counts = np.zeros((classes, len(edges) + 1))
        bins = np.searchsorted(edges, known, "right")
        np.add.at(counts, (labels, bins), 1)
        everybody = np.bincount(bins, minlength=len(edges) + 1) / len(bins)
        likely = (counts + _DOUBT * everybody) / (paintings[:, None] + _DOUBT)
        said += np.log(np.maximum(likely, 1e-12))[:, np.searchsorted(edges, new, "right")].T
    shares = np.exp(said - said.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))
