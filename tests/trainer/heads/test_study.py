"""Folds, artists left out, and growing shares."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.dataset.dataset import Dataset
from pipeline.errors import InputError
from tests.trainer.heads.test_fit import paintings
from trainer.heads import study
from trainer.heads.embeddings import embed
from trainer.heads.fit import Embedded, joined
from trainer.network import models
from trainer.network.models import Design

ARTISTS = ("Ada", "Ben", "Cleo", "Dora")


def some(counts: list[int], seed: int, spread: float = 0.5) -> Embedded:
    """As `paintings`, with ids of their own for each seed."""
    made = paintings(counts, seed, spread)
    return Embedded(tuple(f"{seed}{name}" for name in made.ids), made.labels, made.means, made.spread)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), min_size=6, max_size=60), st.integers(2, 5))
@settings(max_examples=50, deadline=None)
def test_a_work_lies_in_one_fold_and_each_artists_works_are_spread_evenly(
    drawn: list[tuple[int, int]], folds: int
) -> None:
    labels = np.array([label for label, _ in drawn])
    works = [f"{label}/{work}" for label, work in drawn]
    fold = study.deal(works, labels, folds, seed=1)
    of_work = {}
    for work, number in zip(works, fold.tolist(), strict=True):
        assert of_work.setdefault(work, number) == number
    for label in set(labels.tolist()):
        own = np.bincount([number for work, number in of_work.items() if work.startswith(f"{label}/")], minlength=folds)
        assert own.max() - own.min() <= 1
    whole = np.bincount(list(of_work.values()), minlength=folds)
    assert whole.max() - whole.min() <= 1
    order = np.random.default_rng(0).permutation(len(works))
    again = study.deal([works[row] for row in order], labels[order], folds, seed=1)
    assert (again == fold[order]).all()


def test_every_painting_is_judged_once_by_a_head_that_has_not_seen_its_work(
    judged_dataset, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    dataset = Dataset.open(judged_dataset)
    design = Design("ResNet8", 32, 32, 5, 0.0, grayscale=False)
    embeddings, _ = embed(dataset, design, models.build(design), 64)
    fitted = []
    real = study.fit_head
    monkeypatch.setattr(study, "fit_head", lambda seen, *rest: fitted.append(set(seen.ids)) or real(seen, *rest))
    found = study.cross_validate(embeddings, dataset.contract.labels, "weights", 0.1, folds=4, seed=0)
    everyone = {name for split in ("train", "validation", "test") for name in dataset.works(split)}
    assert found["painting"]["count"] == len(everyone)
    assert sum(row["support"] for row in found["artists"]) == len(everyone)
    left_out = [everyone - seen for seen in fitted]
    assert set().union(*left_out) == everyone
    assert sum(map(len, left_out)) == len(everyone)
    assert 0.2 < found["painting"]["top1"] <= 1
    with pytest.raises(InputError, match="more than"):
        study.cross_validate(embeddings, dataset.contract.labels, "weights", 0.1, folds=100_000, seed=0)


def test_an_artist_unlike_the_others_is_found_when_left_out() -> None:
    counts = [30, 30, 30, 30]
    found = study.leave_artists_out(some(counts, 0), some(counts, 1), some(counts, 2), ARTISTS, "weights", 0.1)
    assert [row["artist"] for row in found["artists"]] == list(ARTISTS)
    assert all(row["paintings"] == 90 for row in found["artists"])
    assert found["mean"] > 0.95
    assert min(row["found"] for row in found["artists"]) > 0.5


def test_one_like_the_others_is_not() -> None:
    generator = np.random.default_rng(0)

    def same(seed: int) -> Embedded:
        labels = np.repeat(np.arange(4), 40)
        means = generator.normal(size=(160, 6)).astype(np.float32)
        return Embedded(tuple(f"{seed}{row:03d}" for row in range(160)), labels, means, means.std(axis=0))

    found = study.leave_artists_out(same(0), same(1), same(2), ARTISTS, "weights", 0.01)
    assert 0.35 < found["mean"] < 0.65


def test_of_two_artists_none_can_be_left_out() -> None:
    counts = [9, 9]
    assert study.leave_artists_out(some(counts, 0), some(counts, 1), some(counts, 2), ARTISTS[:2], "none", 0.1) == {}


def test_more_paintings_help_where_few_are_too_few() -> None:
    train, judged = some([40, 40, 40, 4], 0, spread=2.5), some([30, 30, 30, 30], 1, spread=2.5)
    works = {name: name for part in (train, judged) for name in part.ids}
    curve = study.grow(train, judged, works, ARTISTS, "weights", 0.03, seed=0)
    assert [len(point["top1"]) for point in curve] == [3, 3, 1]
    assert curve[0]["paintings"] < curve[1]["paintings"] < curve[2]["paintings"] == 124
    assert np.mean(curve[0]["top1"]) < curve[2]["top1"][0]


def test_who_would_gain_is_named_largest_gain_first() -> None:
    curve = [{"f1": [0.1, 0.1, 0.9, None]}, {"f1": [0.5, 0.3, 0.9, 0.2]}, {"f1": [0.6, 0.7, 0.91, None]}]
    assert study.would_gain(curve, ARTISTS) == ["Ben", "Ada"]


def test_works_are_drawn_whole() -> None:
    works = [f"w{number // 2}" for number in range(40)]
    labels = np.arange(40) // 20
    taken = study._some(works, labels, 0.25, seed=0)
    assert taken.sum() in (8, 10, 12)  # a quarter of ten works of two, rounded
    assert all(taken[row] == taken[row + 1] for row in range(0, 40, 2))
    assert joined(some([2], 0)).ids  # one part alone is itself
