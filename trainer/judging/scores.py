"""How good are these attributions? Numbers with intervals, baselines beside them, and who is taken for whom.

What is counted of each painting stands here, the formulas in `metrics`, and how resamples are drawn in `intervals`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse

from trainer.judging.intervals import by_work, interval, resampled_sums, share_interval
from trainer.judging.metrics import METRICS, PER_ARTIST, Sums, from_sums
from trainer.judging.voting import POOLINGS, Paintings, ranks, surprise


@dataclass(frozen=True)
class Tally:
    """What is counted of each painting, be its unit the painting itself or its crops.

    Attributes:
      labels: int64[n].
      named: number[n, artists], units that name each artist.
      top1, top5: float64[n], units with the true artist clearly first, or among the first five.
      loss: float64[n], summed cross-entropy of its units.
      works: n names of works; the paintings of one count together as much as one painting.
    """

    labels: np.ndarray
    named: np.ndarray
    top1: np.ndarray
    top5: np.ndarray
    loss: np.ndarray
    works: tuple[str, ...]

    @classmethod
    def of_paintings(cls, paintings: Paintings, pooling: str = "mean") -> Tally:
        """One unit per painting: its attribution."""
        scores = paintings.scores[pooling]
        rank = ranks(scores, paintings.labels)
        named = np.eye(scores.shape[1], dtype=np.int32)[scores.argmax(axis=1)]
        loss = surprise(scores, paintings.labels)
        return cls(paintings.labels, named, (rank < 1).astype(float), (rank < 5).astype(float), loss, paintings.works)

    @classmethod
    def of_crops(cls, paintings: Paintings) -> Tally:
        """One unit per crop."""
        return cls(
            paintings.labels,
            paintings.crop_votes,
            paintings.crop_top1.astype(float),
            paintings.crop_top5.astype(float),
            paintings.crop_loss,
            paintings.works,
        )

    def statistics(self) -> sparse.csr_array:
        """float64[works, 4 + 3 * artists]: units, top1, top5, loss; then per artist right, named and true units."""
        units = self.named.sum(axis=1)
        painting, artists = np.arange(len(self.labels)), self.named.shape
        right = self.named[painting, self.labels]
        totals = np.stack([units, self.top1, self.top5, self.loss], axis=1)
        own = [sparse.csr_array((values, (painting, self.labels)), shape=artists) for values in (right, units)]
        each = sparse.hstack([sparse.csr_array(totals), own[0], sparse.csr_array(self.named), own[1]], "csr", float)
        return by_work(each, self.works)

    @cached_property
    def sums(self) -> Sums:
        """Over all works."""
        return _split(self.statistics().sum(axis=0))

    def point(self) -> dict[str, np.ndarray]:
        """The metrics of these paintings: those of METRICS, and [artists] each of PER_ARTIST."""
        return from_sums(self.sums)

    @cached_property
    def resampled(self) -> dict[str, np.ndarray]:
        """The same of every bootstrap draw of these paintings, draws first."""
        return from_sums(_split(resampled_sums(self.statistics())))


def _split(sums: np.ndarray) -> Sums:
    """Sums [..., 4 + 3 * artists] of `Tally.statistics`, by name."""
    return Sums(*np.moveaxis(sums[..., :4], -1, 0), *np.split(sums[..., 4:], 3, axis=-1))


def headline(tally: Tally) -> dict[str, Any]:
    """All metrics by name, with "intervals" of the same names, the "count" of units, and of "works"."""
    point = {metric.name: float(tally.point()[metric.name]) for metric in METRICS}
    works = len(set(tally.works))
    intervals = {
        metric.name: share_interval(tally.resampled[metric.name], point[metric.name], works)
        if metric.exact
        else interval(tally.resampled[metric.name])
        for metric in METRICS
    }
    return {**point, "count": int(tally.named.sum()), "works": works, "intervals": intervals}


def per_artist(tally: Tally, artists: Sequence[str]) -> list[dict[str, Any]]:
    """Precision, recall, F1 and support of each artist, in label order; None where undefined."""
    point = tally.point()
    support = np.bincount(tally.labels, weights=tally.named.sum(axis=1), minlength=len(artists))
    judged = {"precision": tally.sums.named, "recall": tally.sums.true}
    rows = []
    for index, name in enumerate(artists):
        values = {metric: float(point[metric][index]) for metric in PER_ARTIST}
        drawn = {metric: tally.resampled[metric][:, index] for metric in PER_ARTIST}
        rows.append(
            {
                "artist": name,
                "support": int(support[index]),
                **{metric: None if np.isnan(value) else value for metric, value in values.items()},
                "intervals": {
                    **{
                        metric: share_interval(drawn[metric], values[metric], judged[metric][index])
                        for metric in judged
                    },
                    "f1": interval(drawn["f1"]),
                },
            }
        )
    return rows


def voting_gain(crops: Tally, whole: Tally) -> dict[str, Any]:
    """How much top-1 gains when the crops of a painting vote, with the paired interval of the difference."""
    gain = whole.point()["top1"] - crops.point()["top1"]
    return {"top1": float(gain), "interval": interval(whole.resampled["top1"] - crops.resampled["top1"])}


def split_scores(paintings: Paintings, artists: Sequence[str]) -> dict[str, Any]:
    """Everything `results.json` says of one split that needs no other split."""
    crops = Tally.of_crops(paintings)
    pooled = {name: Tally.of_paintings(paintings, name) for name in POOLINGS}
    return {
        "crop": headline(crops),
        "painting": headline(pooled["mean"]),
        "voting_gain": voting_gain(crops, pooled["mean"]),
        "pooling": {name: headline(tally) for name, tally in pooled.items()},
        "artists": per_artist(pooled["mean"], artists),
    }


def baselines(train_counts: Sequence[int], labels: np.ndarray, weights: np.ndarray | None = None) -> dict[str, float]:
    """What one scores without looking at a painting.

    Args:
      train_counts: training paintings per artist.
      labels: int[n], true artists of the judged paintings.
      weights: float64[n], what each counts; None: all the same.

    Returns:
      majority_top1: always naming the artist with most training paintings; prior_top5: always naming the five with
      most; one_artist_recall: the mean recall of always naming one artist; stratified_top1: guessing as often as each
      occurs in training (the expectation).
    """
    counts = np.asarray(train_counts, np.float64)
    largest = np.argsort(-counts, kind="stable")
    return {
        "majority_top1": float(np.average(labels == largest[0], weights=weights)),
        "prior_top5": float(np.average(np.isin(labels, largest[:5]), weights=weights)),
        "one_artist_recall": 1 / len(np.unique(labels)),
        "stratified_top1": float(np.average((counts / counts.sum())[labels], weights=weights)),
    }
