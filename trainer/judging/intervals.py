"""How sure can one be of a number measured on these paintings? Bootstrap intervals and tests over works.

The unit that is drawn is the work, never the crop: the crops of a painting are sixteen looks at one thing, and an
interval that took them for independent would be four times too narrow. Near copies of a painting are one work as well:
two prints of one church are judged as one, each counting half.

Intervals are those of the Bayesian bootstrap (Rubin, The Annals of Statistics 9, 1981): a resample weighs the paintings
by one draw from a flat Dirichlet distribution. Where the classical bootstrap draws paintings and leaves some out, and
with them every artist of one or two paintings, so that macro averages over the rest rise, this leaves none out; for
plain shares both give the same interval. Drawing within each artist was tried: it is too narrow where artists have few.

No bootstrap can show what it has not seen: of an artist with two paintings, both right, every resample is right too.
A share of all or none gets the exact binomial interval (Clopper and Pearson, Biometrika 26, 1934), and other measures
that no draw changes get none. Small supports are marked in the report all the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse
from scipy.stats import binomtest

RESAMPLES = 2_000
LEVEL = 0.95
_BLOCK = 250_000  # weights held at a time: 2 MB


def work_sizes(works: Sequence[str]) -> np.ndarray:
    """int64[n]: how many of these paintings are of the same work as each."""
    _, place, counts = np.unique(np.array(works, object), return_inverse=True, return_counts=True)
    return np.asarray(counts[place])


def by_work(statistics: np.ndarray | sparse.csr_array, works: Sequence[str]) -> sparse.csr_array:
    """Per-painting statistics [n, m] as one row for each work: the mean of its paintings.

    Args:
      statistics: float[n, m].
      works: the work that each painting is of, n names.
    """
    _, place = np.unique(np.array(works, object), return_inverse=True)
    mean = sparse.csr_array((1 / work_sizes(works), (place, np.arange(len(works)))))
    return sparse.csr_array(mean @ sparse.csr_array(statistics))


def resampled_sums(statistics: np.ndarray | sparse.csr_array, seed: int = 0) -> np.ndarray:
    """Weighted sums of per-work statistics, once for each of `RESAMPLES` draws of weights.

    Whatever is a function of sums over paintings (accuracy, recall, F1, a difference of two models) is bootstrapped by
    applying it to these. Equal n and seed give the same weights, so that two calls are paired.

    Args:
      statistics: float[n, m], one row per work; sparse where most of it is 0.

    Returns:
      float64[RESAMPLES, m]; the weights of a draw add up to n.
    """
    count = statistics.shape[0]
    generator = np.random.default_rng(seed)
    block = max(1, _BLOCK // count)
    sums = []
    for start in range(0, RESAMPLES, block):
        weights = generator.standard_exponential((min(block, RESAMPLES - start), count))
        sums.append(weights * (count / weights.sum(axis=1, keepdims=True)) @ statistics)
    return np.concatenate(sums)


def interval(values: np.ndarray) -> list[float] | None:
    """The central 95% of resampled values, [low, high]; those undefined (NaN) are left out.

    None where all are undefined, or equal: then the bootstrap has nothing to say.
    """
    defined = values[~np.isnan(values)]
    if not len(defined) or np.ptp(defined) < 1e-9:
        return None
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return [float(low), float(high)]


def share_interval(values: np.ndarray, share: float, count: float) -> list[float] | None:
    """`interval` of a share of `count` works, and the exact binomial one where that has nothing to say.

    One of the near copies of a work may stand alone, and weighs less than 1: nothing is known more exactly for that.
    """
    if count <= 0:
        return None
    if bootstrapped := interval(values):
        return bootstrapped
    whole = max(1, round(count))
    exact = binomtest(round(share * whole), whole).proportion_ci(LEVEL)
    return [float(exact.low), float(exact.high)]


def mcnemar(first_only: int, second_only: int) -> float:
    """The exact two-sided p-value of McNemar's test.

    Args:
      first_only: works only the first model has right.
      second_only: works only the second has right.

    Returns:
      The probability of a split at least as uneven if both were equally good; 1.0 where they never differ.
      McNemar, Psychometrika 12 (1947); the exact form is a binomial test on the paintings that differ.
    """
    differing = first_only + second_only
    return float(binomtest(first_only, differing).pvalue) if differing else 1.0
