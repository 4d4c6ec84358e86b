"""Paintings by none of the artists that a run knows."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from trainer.errors import RunError
from trainer.judging import strangers
from trainer.run.folder import RunFolder


def world(seed: int, count: int = 400) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(scores, embeddings, labels) of paintings by three known artists of a decided model."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 3, count)
    embeddings = (4 * np.eye(8)[labels] + generator.normal(size=(count, 8))).astype(np.float32)
    scores = generator.dirichlet(np.ones(3), count) * 0.2 + 0.8 * np.eye(3)[labels]
    return scores, embeddings, labels


@pytest.fixture(scope="module")
def known() -> strangers.KnownArtists:
    _, embeddings, labels = world(0)
    scores, validation, _ = world(1)
    return strangers.learn(embeddings, labels, scores, validation)


def test_at_most_one_known_painting_in_twenty_is_turned_away(known: strangers.KnownArtists) -> None:
    scores, validation, _ = world(1)
    assert (known.familiarity(scores, validation) < known.threshold).mean() <= strangers.TURNED_AWAY
    scores, test, _ = world(2)
    assert (known.familiarity(scores, test) < known.threshold).mean() < 0.1


def test_both_signs_count(known: strangers.KnownArtists) -> None:
    scores, embeddings, _ = world(2)
    usual = known.familiarity(scores, embeddings)
    undecided = known.familiarity(np.full_like(scores, 1 / 3), embeddings)
    elsewhere = known.familiarity(scores, embeddings + 6 * np.eye(8, dtype=np.float32)[7])
    assert (undecided < usual).all()
    assert (elsewhere < usual).mean() > 0.99
    assert (undecided < known.threshold).mean() > 0.9


def test_the_distance_is_mahalanobis(known: strangers.KnownArtists) -> None:
    _, embeddings, labels = world(0)
    scaled = embeddings / embeddings.std(axis=0)
    centres = np.stack([scaled[labels == label].mean(axis=0) for label in range(3)])
    around = scaled - centres[labels]
    covariance = around.T @ around / len(around)
    shrunk = 0.25 * covariance + 0.75 * np.trace(covariance) / 8 * np.eye(8)
    offsets = scaled[:5, None] - centres
    expected = np.einsum("nka,ab,nkb->nk", offsets, np.linalg.inv(shrunk), offsets).min(axis=1) / 8
    np.testing.assert_allclose(known._distance(embeddings[:5]), expected, rtol=1e-3)


def test_it_is_read_as_it_was_written(known: strangers.KnownArtists, tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    assert strangers.read(run) is None
    strangers.write(run, known)
    found = strangers.read(run)
    assert found is not None
    assert all((getattr(found, each.name) == getattr(known, each.name)).all() for each in fields(found))


@pytest.mark.parametrize("harm", ["cut", "shape", "nan", "other"])
def test_a_damaged_file_is_named_with_what_to_do(harm: str, known: strangers.KnownArtists, tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    if harm == "shape":
        strangers.write(run, replace(known, gains=known.gains[1:]))
    elif harm == "nan":
        strangers.write(run, replace(known, threshold=np.array(np.nan)))
    elif harm == "other":
        np.savez(run.strangers, something=np.zeros(3))
    else:
        strangers.write(run, known)
        run.strangers.write_bytes(run.strangers.read_bytes()[:-40])
    with pytest.raises(RunError, match=r"strangers\.npz is damaged.*trainer\.evaluate"):
        strangers.read(run)


def test_artists_of_one_painting_each_are_no_division_by_zero() -> None:
    embeddings = np.eye(4, dtype=np.float32)[:3]
    known = strangers.learn(embeddings, np.arange(3), np.full((1, 3), 1 / 3), embeddings[:1])
    assert np.isfinite(known.familiarity(np.full((3, 3), 1 / 3), embeddings)).all()
