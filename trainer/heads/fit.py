"""Which last layer fits these embeddings best? Multinomial logistic regression on paintings, in seconds.

A head is fitted to the mean embedding of each painting's crops, so that a painting counts once however many crops it
has, and memory grows with paintings, not with crops. Features are divided by their spread over single crops, which are
what the head will be asked about; that is folded into the head.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.special import log_softmax

from pipeline.errors import DatasetError

STRENGTHS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)  # scikit-learn's C: the larger, the closer to the paintings
_NEVER = -30.0  # the logit of an artist whom no painting was there to learn from
_STEPS = 500


@dataclass(frozen=True, slots=True)
class Embedded:
    """The paintings of a split, as a head sees them, in order of their ids.

    Attributes:
      ids: n painting ids.
      labels: int64[n].
      means: float32[n, features], the mean embedding of each painting's crops.
      spread: float32[features], the standard deviation over all crops.
    """

    ids: tuple[str, ...]
    labels: np.ndarray
    means: np.ndarray
    spread: np.ndarray

    def take(self, rows: np.ndarray) -> Embedded:
        """Some of the paintings, by a mask or by their numbers."""
        ids = tuple(np.array(self.ids, object)[rows].tolist())
        return Embedded(ids, self.labels[rows], self.means[rows], self.spread)


class Head(NamedTuple):
    """A last layer: kernel float32[features, artists] and bias float32[artists]."""

    kernel: np.ndarray
    bias: np.ndarray

    def logits(self, embeddings: np.ndarray) -> np.ndarray:
        """float32[n, artists] of float32[n, features]."""
        logits: np.ndarray = embeddings @ self.kernel + self.bias
        return logits


def gather_means(batches: Iterable[Mapping[str, Any]]) -> Embedded:
    """The paintings of a split from the embeddings of their crops; memory grows with paintings alone.

    Args:
      batches: of `Embeddings.batches`.
    """
    sums: dict[str, np.ndarray] = {}
    labels: dict[str, int] = {}
    counts: dict[str, int] = {}
    total, squares, records = np.float64(0), np.float64(0), 0
    for batch in batches:
        embedding = batch["embedding"].astype(np.float64)
        total, squares = total + embedding.sum(axis=0), squares + (embedding**2).sum(axis=0)
        records += len(embedding)
        for row, name in enumerate(batch["painting_id"]):
            if name in sums:
                sums[name] += embedding[row]
            else:
                sums[name], labels[name] = embedding[row].copy(), int(batch["label"][row])
            counts[name] = counts.get(name, 0) + 1
    ids = tuple(sorted(sums))
    mean = total / records
    return Embedded(
        ids=tuple(name.decode("ascii") if isinstance(name, bytes) else name for name in ids),
        labels=np.array([labels[name] for name in ids], np.int64),
        means=np.stack([sums[name] / counts[name] for name in ids]).astype(np.float32),
        spread=np.sqrt(np.maximum(squares / records - mean**2, 0)).astype(np.float32),
    )


def joined(*parts: Embedded) -> Embedded:
    """Paintings of several splits as one, with the spread of the first."""
    return Embedded(
        tuple(name for part in parts for name in part.ids),
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.means for part in parts]),
        parts[0].spread,
    )


def fit_head(paintings: Embedded, artists: int, balance: str, strength: float) -> Head:
    """The head of largest likelihood under a Gaussian prior on its kernel.

    Args:
      paintings: to learn from.
      artists: how many labels there are; one of whom no painting is there is never named.
      balance: of `config.CLASS_BALANCES`. weights and sampling come to the same here: an artist's paintings count
        inversely to their number. logit_adjust takes the prior out of the bias afterwards (Menon et al. 2020).
      strength: scikit-learn's C.

    Raises:
      DatasetError: the paintings are of one artist only.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    present, counts = np.unique(paintings.labels, return_counts=True)
    if len(present) < 2:
        raise DatasetError("Expected training paintings of two artists or more, to tell apart. Found those of one.")
    centre = paintings.means.mean(axis=0)
    scale = 1 / np.maximum(paintings.spread, 1e-6)
    regression = LogisticRegression(
        C=strength,
        class_weight="balanced" if balance in ("weights", "sampling") else None,
        max_iter=_STEPS,
        tol=1e-3,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # near enough: the strengths differ by far more
        regression.fit((paintings.means - centre) * scale, paintings.labels)
    weights, offsets = regression.coef_, regression.intercept_
    if len(present) == 2:  # of two, scikit-learn keeps the difference
        weights, offsets = np.concatenate([-weights, weights]) / 2, np.concatenate([-offsets, offsets]) / 2
    if balance == "logit_adjust":
        offsets = offsets - np.log(counts / counts.sum())
    kernel = np.zeros((paintings.means.shape[1], artists))
    bias = np.full(artists, _NEVER)
    kernel[:, present] = weights.T * scale[:, None]
    bias[present] = offsets - centre @ kernel[:, present]
    return Head(kernel.astype(np.float32), bias.astype(np.float32))


def loss_of(head: Head, paintings: Embedded) -> float:
    """Mean cross-entropy of paintings, in nats."""
    logarithms = log_softmax(head.logits(paintings.means).astype(np.float64), axis=1)
    return float(-logarithms[np.arange(len(paintings.labels)), paintings.labels].mean())


def top1_of(head: Head, paintings: Embedded) -> float:
    """Share of paintings whose artist has the largest logit."""
    return float((head.logits(paintings.means).argmax(axis=1) == paintings.labels).mean())


def choose_strength(
    train: Embedded, validation: Embedded, artists: int, balance: str, strengths: Sequence[float] = STRENGTHS
) -> tuple[Head, float, list[dict[str, float]]]:
    """The head whose strength loses least on validation paintings.

    The loss decides and not the share named rightly: of a hundred paintings, that differs by chance alone.

    Returns:
      The head, its strength, and for each strength what was seen: strength, train_loss, train_top1, validation_loss,
      validation_top1.
    """
    tried = []
    heads = []
    for strength in strengths:
        head = fit_head(train, artists, balance, strength)
        heads.append(head)
        tried.append(
            {
                "strength": strength,
                "train_loss": loss_of(head, train),
                "train_top1": top1_of(head, train),
                "validation_loss": loss_of(head, validation),
                "validation_top1": top1_of(head, validation),
            }
        )
    best = min(range(len(tried)), key=lambda at: tried[at]["validation_loss"])
    return heads[best], strengths[best], tried
