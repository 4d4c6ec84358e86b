"""Heads fitted to embeddings."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import DatasetError
from trainer.heads.fit import Embedded, choose_strength, fit_head, gather_means, joined, loss_of, top1_of


def paintings(counts: list[int], seed: int = 0, spread: float = 0.5) -> Embedded:
    """Paintings whose embedding lies near a corner of its artist's own."""
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts)
    means = (3 * np.eye(6)[labels] + generator.normal(0, spread, (len(labels), 6)) + 5).astype(np.float32)
    return Embedded(tuple(f"{row:04d}" for row in range(len(labels))), labels, means, means.std(axis=0))


@pytest.mark.parametrize("balance", ["none", "weights", "sampling", "logit_adjust"])
def test_a_head_names_paintings_it_has_not_seen(balance: str) -> None:
    head = fit_head(paintings([30, 20, 10]), 3, balance, 0.1)
    assert head.kernel.dtype == head.bias.dtype == np.float32
    assert top1_of(head, paintings([10, 10, 10], seed=1)) > 0.9


def test_balance_names_rare_artists_more_often() -> None:
    seen, asked = paintings([200, 4, 4], spread=3), paintings([100, 100, 100], seed=1, spread=3)
    named = {
        balance: np.bincount(fit_head(seen, 3, balance, 0.01).logits(asked.means).argmax(axis=1), minlength=3)[0]
        for balance in ("none", "weights", "logit_adjust")
    }
    assert named["none"] > named["weights"]
    assert named["none"] > named["logit_adjust"]


def test_of_two_artists_scores_are_those_of_logistic_regression() -> None:
    from scipy.special import softmax
    from sklearn.linear_model import LogisticRegression

    seen = paintings([20, 20])
    head = fit_head(seen, 2, "none", 0.1)
    plain = LogisticRegression(C=0.1, tol=1e-3, max_iter=500)
    plain.fit((seen.means - seen.means.mean(axis=0)) / seen.spread, seen.labels)
    expected = plain.predict_proba((seen.means - seen.means.mean(axis=0)) / seen.spread)
    np.testing.assert_allclose(softmax(head.logits(seen.means), axis=1), expected, atol=1e-4)


def test_an_artist_without_training_paintings_is_never_named() -> None:
    seen = paintings([20, 20, 20])
    head = fit_head(seen.take(seen.labels != 1), 3, "weights", 0.1)
    assert 1 not in head.logits(seen.means).argmax(axis=1)
    assert np.isfinite(head.bias).all()


def test_one_artist_alone_is_refused() -> None:
    with pytest.raises(DatasetError, match="two artists"):
        fit_head(paintings([9]), 3, "none", 0.1)


def test_the_strength_is_the_one_that_loses_least_on_validation_paintings() -> None:
    train, validation = paintings([30, 20, 10], spread=1.5), paintings([10, 10, 10], seed=1, spread=1.5)
    head, strength, tried = choose_strength(train, validation, 3, "weights")
    assert strength == min(tried, key=lambda line: line["validation_loss"])["strength"]
    assert loss_of(head, validation) == pytest.approx(min(line["validation_loss"] for line in tried))
    losses = [line["train_loss"] for line in tried]
    assert losses == sorted(losses, reverse=True)  # a weaker pull comes ever closer to what it was fitted to


@given(st.lists(st.integers(1, 5), min_size=1, max_size=8), st.integers(1, 7))
@settings(max_examples=25, deadline=None)
def test_means_and_spread_are_those_of_all_crops_however_they_are_dealt(crops: list[int], size: int) -> None:
    generator = np.random.default_rng(len(crops))
    names = [f"{number:02d}".encode() for number, count in enumerate(crops) for _ in range(count)]
    embedding = generator.normal(7, 2, (len(names), 3)).astype(np.float32)
    label = np.array([int(name) % 2 for name in names])
    rows = [slice(start, start + size) for start in range(0, len(names), size)]
    found = gather_means(
        {"painting_id": names[part], "label": label[part], "embedding": embedding[part]} for part in rows
    )
    assert found.ids == tuple(sorted({name.decode() for name in names}))
    for row, name in enumerate(found.ids):
        own = [number for number, each in enumerate(names) if each.decode() == name]
        np.testing.assert_allclose(found.means[row], embedding[own].mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(found.spread, embedding.std(axis=0), rtol=1e-3, atol=1e-4)


def test_paintings_are_taken_and_joined() -> None:
    whole = paintings([3, 2])
    again = joined(whole.take(whole.labels == 0), whole.take(whole.labels == 1))
    assert again.ids == whole.ids
    assert (again.means == whole.means).all()
