"""How do the votes of a painting's crops become one attribution?

A record is a crop, but a question is about a painting. `gather` pools the scores of a painting's crops while they
stream by: what stays in memory is one row per painting, never one per crop. A painting is finished, and its crops
forgotten, as soon as the last of them has been seen; all of them lie in one shard, so few are open at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pipeline.errors import DatasetError
from trainer.judging.intervals import work_sizes

POOLINGS = ("mean", "geometric", "median")
SMALLEST = 1e-7  # a score of zero is taken for this before its logarithm; Keras's epsilon


def pool(scores: np.ndarray, pooling: str = "mean") -> np.ndarray:
    """The attribution of one painting.

    Args:
      scores: float[crops, artists], each row the softmax scores of one crop.
      pooling: "mean" (the default everywhere), "geometric" (a crop that rules an artist out counts for much) or
        "median" (a few odd crops count for nothing).

    Returns:
      float64[artists], not negative, of sum 1.
    """
    scores = np.asarray(scores, np.float64)
    if pooling == "mean":
        pooled = scores.mean(axis=0)
    elif pooling == "geometric":
        pooled = np.exp(np.log(np.maximum(scores, SMALLEST)).mean(axis=0))
    elif pooling == "median":
        pooled = np.maximum(np.median(scores, axis=0), SMALLEST)
    else:
        raise ValueError(f"Expected a pooling of {', '.join(POOLINGS)}. Received {pooling!r}.")
    return np.asarray(pooled / pooled.sum())


def ranks(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """How many other artists score at least as high as the true one: 0 is a clear hit, and a tie never helps.

    Args:
      scores: float[n, artists].
      labels: int[n].

    Returns:
      int64[n]. A model that says the same of everyone ranks every true artist last, where Keras's and
      scikit-learn's top-k would count such ties as hits.
    """
    own = np.take_along_axis(scores, labels[:, None], axis=1)
    return np.asarray((scores >= own).sum(axis=1) - 1)


def surprise(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Cross-entropy in nats, float64[n]: minus the logarithm of the true artist's score."""
    own = np.take_along_axis(scores, labels[:, None], axis=1)[:, 0]
    return -np.log(np.maximum(own.astype(np.float64), SMALLEST))


@dataclass(frozen=True, slots=True)
class Paintings:
    """The attributed paintings of a split, in order of their ids.

    Attributes:
      ids: n painting ids.
      labels: int64[n], the true artists.
      scores: pooling -> float32[n, artists], rows of sum 1.
      crops: int64[n], how many crops each has.
      crop_votes: int32[n, artists], how many of its crops name each artist.
      crop_top1, crop_top5: int64[n], how many of its crops have the true artist (clearly) first, and in the first five.
      crop_loss: float64[n], the summed cross-entropy of its crops.
      works: n names of the works they are of: near copies of a painting have one.
    """

    ids: tuple[str, ...]
    labels: np.ndarray
    scores: dict[str, np.ndarray]
    crops: np.ndarray
    crop_votes: np.ndarray
    crop_top1: np.ndarray
    crop_top5: np.ndarray
    crop_loss: np.ndarray
    works: tuple[str, ...]

    @property
    def weights(self) -> np.ndarray:
        """float64[n]: what each painting counts, so that every work counts 1."""
        weights: np.ndarray = 1 / work_sizes(self.works)
        return weights


@dataclass(slots=True)
class _Open:
    """A painting of which some crops have been seen."""

    label: int
    scores: list[np.ndarray] = field(default_factory=list)
    embedding: np.ndarray | float = 0.0


def gather(
    batches: Iterable[dict[str, Any]],
    crops: Mapping[str, int],
    finished: Callable[[str, int, np.ndarray], None] | None = None,
    works: Mapping[str, str] | None = None,
) -> Paintings:
    """Pools crops into paintings as they stream by.

    Args:
      batches: dicts of painting_id str[batch], label int[batch], scores float[batch, artists] and, where `finished`
        is given, embedding float[batch, features].
      crops: how many each painting has, by its id, as the dataset lists them.
      finished: called with (id, label, mean embedding float32[features]) when the last crop of a painting was seen.
      works: the work that each painting is of, by its id; None: each is its own.

    Raises:
      DatasetError: there is no record, or a painting has fewer or more crops than listed.
      ValueError: a score is not finite.
    """
    waiting: dict[str, _Open] = {}
    rows: dict[str, tuple[Any, ...]] = {}
    for batch in batches:
        if not np.isfinite(batch["scores"]).all():
            raise ValueError("Expected finite scores. Received NaN or infinity: the saved model is broken.")
        for row, name in enumerate(batch["painting_id"]):
            if name in rows or name not in crops:
                raise DatasetError(
                    f"Painting {name} has more crops than the {crops.get(name, 0)} that the dataset lists. "
                    "Run pipeline.verify on it."
                )
            painting = waiting.setdefault(name, _Open(int(batch["label"][row])))
            painting.scores.append(batch["scores"][row])
            if finished:
                painting.embedding = painting.embedding + batch["embedding"][row].astype(np.float32)
            if len(painting.scores) == crops[name]:
                rows[name] = _close(painting)
                if finished:
                    finished(name, painting.label, np.asarray(painting.embedding / crops[name], np.float32))
                del waiting[name]
    if waiting:
        name, painting = next(iter(waiting.items()))
        raise DatasetError(
            f"{len(waiting)} paintings lack crops: {name} has {len(painting.scores)} of {crops[name]}. "
            "Run pipeline.verify on the dataset."
        )
    if not rows:
        raise DatasetError("The split holds no records. Build the dataset with a share for every split.")
    ids = tuple(sorted(rows))
    label, mean, geometric, median, votes, top1, top5, loss = zip(*(rows[name] for name in ids), strict=True)
    return Paintings(
        ids=ids,
        labels=np.array(label, np.int64),
        scores={"mean": np.stack(mean), "geometric": np.stack(geometric), "median": np.stack(median)},
        crops=np.array([crops[name] for name in ids], np.int64),
        crop_votes=np.stack(votes),
        crop_top1=np.array(top1, np.int64),
        crop_top5=np.array(top5, np.int64),
        crop_loss=np.array(loss, np.float64),
        works=tuple(works[name] for name in ids) if works else ids,
    )


def _close(painting: _Open) -> tuple[Any, ...]:
    """One row of `Paintings`, without the id and the number of crops."""
    scores = np.stack(painting.scores)
    labels = np.full(len(scores), painting.label)
    rank = ranks(scores, labels)
    return (
        painting.label,
        *(pool(scores, pooling).astype(np.float32) for pooling in POOLINGS),
        np.bincount(scores.argmax(axis=1), minlength=scores.shape[1]).astype(np.int32),
        int((rank < 1).sum()),
        int((rank < 5).sum()),
        float(surprise(scores, labels).sum()),
    )
