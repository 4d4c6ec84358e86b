"""What does a score of 0.8 mean, and below which should the model say "unsure"?

A temperature is fitted on the validation paintings and applied to all others (Guo et al., On Calibration of Modern
Neural Networks, 2017). It changes no ranking: only how sure the model sounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import softmax

from trainer.judging.intervals import by_work, resampled_sums, share_interval, work_sizes
from trainer.judging.voting import SMALLEST, ranks, surprise

BINS = 10
TARGET_ACCURACY = 0.9
FEWEST_ANSWERED = 10  # an accuracy of fewer paintings says nothing
TEMPERATURES = (0.05, 20.0)
UNSURE_RULE = (
    f"the lowest confidence at which at least {TARGET_ACCURACY:.0%} of the answered validation paintings are right, "
    f"with at least {FEWEST_ANSWERED} answered"
)


def calibrated(scores: np.ndarray, temperature: float) -> np.ndarray:
    """Scores float[..., artists] of sum 1 as probabilities float64[..., artists]; temperature 1 changes nothing."""
    return np.asarray(softmax(np.log(np.maximum(np.asarray(scores, np.float64), SMALLEST)) / temperature, axis=-1))


def fit_temperature(scores: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None) -> float:
    """The temperature, within 0.05..20, at which the cross-entropy of scores float[n, artists] is least.

    `weights`, float64[n], are what each painting counts; None: all the same.
    """
    best = minimize_scalar(
        lambda logarithm: np.average(surprise(calibrated(scores, float(np.exp(logarithm))), labels), weights=weights),
        bounds=tuple(np.log(TEMPERATURES)),
        method="bounded",
    )
    return float(np.exp(best.x))


@dataclass(frozen=True, slots=True)
class Reliability:
    """Confidence against accuracy in `BINS` bins of equal width.

    Attributes:
      count: int[bins], paintings per bin.
      works: float[bins], what they weigh: the works among them.
      confidence: float[bins], mean confidence; NaN where a bin is empty.
      accuracy: float[bins], share of right ones; NaN where a bin is empty.
      error: expected calibration error, the mean of |confidence - accuracy| over paintings.
    """

    count: np.ndarray
    works: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray
    error: float


def bins_of(confidence: np.ndarray) -> np.ndarray:
    """The bin, 0 .. BINS - 1, of each confidence in 0..1; an upper edge belongs to the bin below it."""
    return np.asarray(np.clip(np.ceil(np.asarray(confidence) * BINS).astype(int) - 1, 0, BINS - 1))


def reliability(confidence: np.ndarray, right: np.ndarray, weights: np.ndarray | None = None) -> Reliability:
    """Compares confidences float[n] in 0..1 with outcomes bool[n]; `weights`, float64[n], are what each counts."""
    bins = bins_of(confidence)
    weights = np.ones(len(bins)) if weights is None else weights
    works = np.bincount(bins, weights=weights, minlength=BINS)
    with np.errstate(invalid="ignore"):
        mean = np.bincount(bins, weights=weights * confidence, minlength=BINS) / works
        accuracy = np.bincount(bins, weights=weights * right, minlength=BINS) / works
    error = float(np.nansum(works * np.abs(mean - accuracy)) / works.sum())
    return Reliability(np.bincount(bins, minlength=BINS), works, mean, accuracy, error)


def unsure_threshold(confidence: np.ndarray, right: np.ndarray) -> float | None:
    """The confidence from which the model answers: `UNSURE_RULE`.

    Args:
      confidence: float[n], of validation paintings, calibrated.
      right: bool[n].

    Returns:
      The threshold, or None where no threshold reaches the target: such a model is unsure of everything.
    """
    order = np.argsort(-confidence, kind="stable")
    ordered = confidence[order]
    answered = np.arange(1, len(order) + 1)
    accuracy = np.cumsum(right[order]) / answered
    whole = np.append(ordered[1:] < ordered[:-1], True)  # equal confidences are answered together or not at all
    allowed = whole & (answered >= FEWEST_ANSWERED) & (accuracy >= TARGET_ACCURACY)
    return float(ordered[np.flatnonzero(allowed)[-1]]) if allowed.any() else None


def judge(
    scores: np.ndarray, labels: np.ndarray, temperature: float, threshold: float | None, works: Sequence[str]
) -> dict[str, Any]:
    """How far the probabilities of these paintings can be believed, for `results.json`.

    Args:
      scores: float[n, artists], before calibration.
      labels: int[n].
      temperature, threshold: chosen on other paintings.
      works: the work that each painting is of; each counts once.

    Returns:
      "before" and "after" the temperature, each with "loss", "expected_calibration_error" and its "bins"; and "unsure":
      coverage (share of paintings answered) and accuracy of the answered, with intervals.
    """
    right = ranks(scores, labels) < 1
    after = calibrated(scores, temperature)
    return {
        "before": _curve(scores, labels, right, works),
        "after": _curve(after, labels, right, works),
        "unsure": _answered(after.max(axis=1), right, threshold, works),
    }


def _curve(probabilities: np.ndarray, labels: np.ndarray, right: np.ndarray, works: Sequence[str]) -> dict[str, Any]:
    confidence = probabilities.max(axis=1)
    weights = 1 / work_sizes(works)
    curve = reliability(confidence, right, weights)
    member = np.eye(BINS)[bins_of(confidence)]
    hits, members = np.split(resampled_sums(by_work(np.hstack([member * right[:, None], member]), works)), 2, axis=1)
    with np.errstate(invalid="ignore"):
        accuracy = hits / members
    return {
        "loss": float(np.average(surprise(probabilities, labels), weights=weights)),
        "expected_calibration_error": curve.error,
        "bins": [
            {
                "from": index / BINS,
                "to": (index + 1) / BINS,
                "paintings": int(curve.count[index]),
                "confidence": float(curve.confidence[index]),
                "accuracy": float(curve.accuracy[index]),
                "interval": share_interval(accuracy[:, index], curve.accuracy[index], curve.works[index]),
            }
            for index in np.flatnonzero(curve.count)
        ],
    }


def _answered(
    confidence: np.ndarray, right: np.ndarray, threshold: float | None, works: Sequence[str]
) -> dict[str, Any]:
    answered = confidence >= threshold if threshold is not None else np.zeros(len(confidence), bool)
    weights = 1 / work_sizes(works)
    rows = by_work(np.stack([answered, answered & right], axis=1).astype(float), works)
    sums = resampled_sums(rows)
    with np.errstate(invalid="ignore"):
        accuracy = sums[:, 1] / sums[:, 0]
    count, coverage = int(answered.sum()), float(np.average(answered, weights=weights))
    correct = float(np.average(right[answered], weights=weights[answered])) if count else None
    return {
        "answered": count,
        "coverage": coverage,
        "coverage_interval": share_interval(sums[:, 0] / rows.shape[0], coverage, rows.shape[0]),
        "accuracy": correct,
        "accuracy_interval": None
        if correct is None
        else share_interval(accuracy, correct, float(weights[answered].sum())),
    }
