"""A work counts once, however many near copies of it were judged."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.compare import compare, table
from trainer.judging import calibration, scores
from trainer.judging.intervals import by_work, resampled_sums, work_sizes
from trainer.judging.voting import Paintings, gather


def paintings(labels: list[int], named: list[int], works: list[str], artists: int = 3) -> Paintings:
    """Single crops that name an artist each."""
    ids = [f"{row:03d}" for row in range(len(labels))]
    given = np.full((len(ids), artists), 0.1, np.float32)
    given[np.arange(len(ids)), named] = 0.8
    batch = {"painting_id": ids, "label": np.array(labels), "scores": given / given.sum(axis=1, keepdims=True)}
    return gather([batch], dict.fromkeys(ids, 1), works=dict(zip(ids, works, strict=True)))


def test_two_prints_of_one_church_count_as_one() -> None:
    # Four works; the fourth hangs there three times, and is taken for another each time.
    judged = paintings([0, 1, 2, 0, 0, 0], [0, 1, 2, 1, 1, 1], list("abcddd"))
    found = scores.headline(scores.Tally.of_paintings(judged))
    assert found["top1"] == pytest.approx(3 / 4)
    assert (found["count"], found["works"]) == (6, 4)
    assert judged.weights.tolist() == pytest.approx([1, 1, 1, 1 / 3, 1 / 3, 1 / 3])


def test_copies_make_no_interval_narrower() -> None:
    once = paintings([0, 1, 2, 0] * 3, [0, 1, 2, 1] * 3, [str(row) for row in range(12)])
    copied = paintings([0, 1, 2, 0] * 12, [0, 1, 2, 1] * 12, [str(row % 12) for row in range(48)])
    assert scores.headline(scores.Tally.of_paintings(copied))["top1"] == pytest.approx(
        scores.headline(scores.Tally.of_paintings(once))["top1"]
    )
    for name in ("top1", "macro_f1"):
        ours = scores.headline(scores.Tally.of_paintings(copied))["intervals"][name]
        assert ours == pytest.approx(scores.headline(scores.Tally.of_paintings(once))["intervals"][name], abs=0.05)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=12))
@settings(max_examples=30, deadline=None)
def test_rows_of_a_work_are_their_mean(names: list[int]) -> None:
    works = [str(name) for name in names]
    statistics = np.random.default_rng(0).normal(size=(len(names), 3))
    rows = by_work(statistics, works).toarray()
    for row, work in zip(rows, sorted(set(works)), strict=True):
        np.testing.assert_allclose(row, statistics[[name == work for name in works]].mean(axis=0))
    assert (1 / work_sizes(works)).sum() == pytest.approx(len(set(works)))
    assert resampled_sums(by_work(np.ones((len(names), 1)), works)) == pytest.approx(len(set(works)))


def test_a_work_of_many_copies_is_one_vote_in_mcnemars_test() -> None:
    labels, works = [0] * 10, ["copied"] * 6 + list("abcd")
    first = paintings(labels, [1] * 10, works)
    second = paintings(labels, [0] * 6 + [1] * 4, works)
    found = compare(first, second)
    assert (found.paintings, found.works) == (10, 5)
    assert (found.both, found.first_only, found.second_only, found.neither) == (0, 0, 1, 4)
    assert found.p == 1.0
    assert "of 5 works" in table(found, "A", "B")
    unaware = compare(replace(first, works=first.ids), second)  # a run of an earlier version, which knows no works
    assert unaware.second_only == 1


def test_calibration_weighs_works() -> None:
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.9, 0.1]])
    labels = np.array([0, 1, 1, 1])
    judged = calibration.judge(probabilities, labels, 1.0, 0.5, ["a", "b", "b", "b"])
    assert judged["unsure"]["accuracy"] == pytest.approx(0.5)
    assert judged["before"]["bins"][0]["accuracy"] == pytest.approx(0.5)
    assert judged["before"]["bins"][0]["paintings"] == 4


def test_near_copies_in_different_bins_of_certainty_have_intervals_all_the_same() -> None:
    probabilities = np.array([[0.95, 0.05], [0.65, 0.35]])
    judged = calibration.judge(probabilities, np.array([0, 0]), 1.0, 0.5, ["one", "one"])
    assert [row["paintings"] for row in judged["before"]["bins"]] == [1, 1]
    assert all(row["interval"][1] == 1 for row in judged["before"]["bins"])
