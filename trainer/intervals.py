"""How sure can one be of a number measured on these paintings? Bootstrap intervals and tests over paintings.

The unit that is drawn is the painting, never the crop: the crops of a painting are sixteen looks at one thing, and an
interval that took them for independent would be four times too narrow. Intervals are the percentile bootstrap's
(Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13), drawn within each artist, as the splits
were: drawn from all, a resample would miss artists with one or two paintings and macro averages would rise for it.

They cannot show what was never drawn: of an artist with two paintings, both right, every resample is right too. Small
supports are therefore marked in the report.
"""

from __future__ import annotations

import numpy as np

RESAMPLES = 2_000
LEVEL = 0.95
_BLOCK = 4_000_000  # entries of the matrix of draws held at a time: 32 MB


def resampled_sums(statistics: np.ndarray, artists: np.ndarray, seed: int = 0) -> np.ndarray:
    """Sums of per-painting statistics over `RESAMPLES` bootstrap resamples.

    Whatever is a function of sums over paintings (accuracy, recall, F1, a difference of two models) is bootstrapped by
    applying it to these. Equal artists and seed give the same draws, so that two calls are paired.

    Args:
      statistics: float[n, m], one row per painting.
      artists: int[n], the true artist of each; every resample has as many paintings of each.

    Returns:
      float64[RESAMPLES, m].
    """
    generator = np.random.default_rng(seed)
    sums = np.zeros((RESAMPLES, statistics.shape[1]))
    for artist in np.unique(artists):
        own = np.asarray(statistics[artists == artist], np.float64)
        uniform = np.full(len(own), 1 / len(own))
        block = max(1, _BLOCK // len(own))
        for start in range(0, RESAMPLES, block):
            part = sums[start : start + block]
            part += generator.multinomial(len(own), uniform, size=len(part)).astype(np.float64) @ own
    return sums


def interval(values: np.ndarray) -> list[float] | None:
    """The central 95% of resampled values, [low, high]; those undefined (NaN) are left out, None where all are."""
    defined = values[~np.isnan(values)]
    if not len(defined):
        return None
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return [float(low), float(high)]


def mcnemar(first_only: int, second_only: int) -> float:
    """The exact two-sided p-value of McNemar's test.

    Args:
      first_only: paintings only the first model has right.
      second_only: paintings only the second has right.

    Returns:
      The probability of a split at least as uneven if both were equally good; 1.0 where they never differ.
      McNemar, Psychometrika 12 (1947); the exact form is a binomial test on the paintings that differ.
    """
    from scipy.stats import binomtest

    differing = first_only + second_only
    return float(binomtest(first_only, differing).pvalue) if differing else 1.0
