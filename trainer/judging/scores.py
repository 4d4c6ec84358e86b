"""How good are these attributions? Numbers with intervals, baselines beside them, and who is taken for whom.

Point estimates are scikit-learn's. Their intervals apply the same definitions to resampled sums (`intervals.py`), which
is possible because every one of them is a function of sums over paintings; a test holds the two against each other.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse
from sklearn import metrics

from trainer.judging.intervals import interval, resampled_sums, share_interval
from trainer.judging.voting import POOLINGS, Paintings, ranks, surprise

HEADLINE = ("top1", "top5", "macro_f1", "balanced_accuracy", "loss")
PER_ARTIST = ("precision", "recall", "f1")


@dataclass(frozen=True)
class Tally:
    """What is counted of each painting, be its unit the painting itself or its crops.

    Attributes:
      labels: int64[n].
      named: number[n, artists], units that name each artist.
      top1, top5: float64[n], units with the true artist clearly first, or among the first five.
      loss: float64[n], summed cross-entropy of its units.
    """

    labels: np.ndarray
    named: np.ndarray
    top1: np.ndarray
    top5: np.ndarray
    loss: np.ndarray

    @classmethod
    def of_paintings(cls, paintings: Paintings, pooling: str = "mean") -> Tally:
        """One unit per painting: its attribution."""
        scores = paintings.scores[pooling]
        rank = ranks(scores, paintings.labels)
        named = np.eye(scores.shape[1], dtype=np.int32)[scores.argmax(axis=1)]
        loss = surprise(scores, paintings.labels)
        return cls(paintings.labels, named, (rank < 1).astype(float), (rank < 5).astype(float), loss)

    @classmethod
    def of_crops(cls, paintings: Paintings) -> Tally:
        """One unit per crop."""
        return cls(
            paintings.labels,
            paintings.crop_votes,
            paintings.crop_top1.astype(float),
            paintings.crop_top5.astype(float),
            paintings.crop_loss,
        )

    def statistics(self) -> sparse.csr_array:
        """float64[n, 4 + 3 * artists]: units, top1, top5, loss; then per artist right, named and true units."""
        units = self.named.sum(axis=1)
        painting, artists = np.arange(len(self.labels)), self.named.shape
        right = self.named[painting, self.labels]
        totals = np.stack([units, self.top1, self.top5, self.loss], axis=1)
        own = [sparse.csr_array((values, (painting, self.labels)), shape=artists) for values in (right, units)]
        return sparse.hstack([sparse.csr_array(totals), own[0], sparse.csr_array(self.named), own[1]], "csr", float)

    def point(self) -> dict[str, np.ndarray]:
        """`from_sums` of these paintings."""
        return from_sums(self.statistics().sum(axis=0))

    @cached_property
    def resampled(self) -> dict[str, np.ndarray]:
        """`from_sums` of every bootstrap draw of these paintings."""
        return from_sums(resampled_sums(self.statistics()))


def from_sums(sums: np.ndarray) -> dict[str, np.ndarray]:
    """The metrics of sums [..., 4 + 3 * artists] of `Tally.statistics`; NaN where undefined.

    Returns:
      The names of HEADLINE, each [...], and those of PER_ARTIST, each [..., artists]. Macro-F1 is over artists that
      occur, be it as truth or as answer; balanced accuracy over those that occur as truth: scikit-learn's definitions.
    """
    units, top1, top5, loss = np.moveaxis(sums[..., :4], -1, 0)
    right, named, true = np.split(sums[..., 4:], 3, axis=-1)
    with np.errstate(invalid="ignore"):  # of an artist that is never named, or that has no painting here
        recall = right / true
        f1 = 2 * right / (named + true)
        return {
            "top1": top1 / units,
            "top5": top5 / units,
            "macro_f1": np.nanmean(f1, axis=-1),
            "balanced_accuracy": np.nanmean(recall, axis=-1),
            "loss": loss / units,
            "precision": right / named,
            "recall": recall,
            "f1": f1,
        }


def headline(tally: Tally) -> dict[str, Any]:
    """top1, top5, macro_f1, balanced_accuracy and loss, with "intervals" of the same names and the "count" of units."""
    true, answers, weights = _pairs(tally)
    units = float(tally.named.sum())
    point = {
        "top1": float(tally.top1.sum() / units),
        "top5": float(tally.top5.sum() / units),
        "macro_f1": float(metrics.f1_score(true, answers, sample_weight=weights, average="macro", zero_division=0)),
        "balanced_accuracy": _balanced_accuracy(true, answers, weights),
        "loss": float(tally.loss.sum() / units),
    }
    intervals = {name: interval(tally.resampled[name]) for name in HEADLINE}
    for name in ("top1", "top5"):
        intervals[name] = share_interval(tally.resampled[name], point[name], len(tally.labels))
    return {**point, "count": int(units), "intervals": intervals}


def per_artist(tally: Tally, artists: Sequence[str]) -> list[dict[str, Any]]:
    """Precision, recall, F1 and support of each artist, in label order; None where undefined."""
    true, answers, weights = _pairs(tally)
    point = metrics.precision_recall_fscore_support(
        true, answers, sample_weight=weights, labels=range(len(artists)), zero_division=np.nan
    )
    support = np.bincount(tally.labels, weights=tally.named.sum(axis=1), minlength=len(artists))
    judged = {"precision": tally.named.sum(axis=0), "recall": support}
    rows = []
    for index, name in enumerate(artists):
        values = {metric: float(point[at][index]) for at, metric in enumerate(PER_ARTIST)}
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


def baselines(train_counts: Sequence[int], labels: np.ndarray) -> dict[str, float]:
    """What one scores without looking at a painting.

    Args:
      train_counts: training paintings per artist.
      labels: int[n], true artists of the judged paintings.

    Returns:
      majority_top1: always naming the artist with most training paintings; prior_top5: always naming the five with
      most; stratified_top1: guessing as often as each occurs in training (the expectation).
    """
    counts = np.asarray(train_counts, np.float64)
    largest = np.argsort(-counts, kind="stable")
    return {
        "majority_top1": float(np.mean(labels == largest[0])),
        "prior_top5": float(np.isin(labels, largest[:5]).mean()),
        "stratified_top1": float((counts / counts.sum())[labels].mean()),
    }


def _pairs(tally: Tally) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(true artist, named artist, units) of every combination that occurs, as scikit-learn's weighted samples."""
    painting, answer = np.nonzero(tally.named)
    return tally.labels[painting], answer, tally.named[painting, answer]


def _balanced_accuracy(true: np.ndarray, answers: np.ndarray, weights: np.ndarray) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of artists with no painting here: they do not count
        return float(metrics.balanced_accuracy_score(true, answers, sample_weight=weights))
