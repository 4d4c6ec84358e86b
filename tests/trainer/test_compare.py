"""Two runs on the same paintings."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics

from tests import forked, runs
from trainer.compare import compare, compare_runs, table
from trainer.judging.predictions import read_paintings
from trainer.judging.voting import Paintings, gather
from trainer.run.folder import RunError, RunFolder


@pytest.fixture(scope="module")
def weaker_run(judged_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run_dir = runs.make_run(tmp_path_factory.mktemp("runs") / "weaker", judged_dataset, steps=1, seed=5)
    runs.judge(run_dir, judged_dataset)
    return run_dir


def answers(right: np.ndarray, generator: np.random.Generator) -> Paintings:
    """Paintings by five artists of which those in `right` are named rightly, the others not."""
    labels = np.arange(len(right)) % 5
    named = np.where(right, labels, (labels + generator.integers(1, 5, len(right))) % 5)
    scores = np.full((len(right), 5), 0.1) + 0.5 * np.eye(5)[named]
    ids = [f"{index:04d}" for index in range(len(right))]
    return gather([{"painting_id": ids, "label": labels, "scores": scores}], dict.fromkeys(ids, 1))


def test_a_run_does_not_differ_from_itself(judged_run: Path):
    found = compare_runs(RunFolder(judged_run), RunFolder(judged_run))
    assert found.p == 1
    assert found.first_only == found.second_only == 0
    assert all(row.difference == 0 and row.interval is None for row in found.differences)
    assert "do not show" in table(found, "A", "B")


def test_the_better_of_two_runs_is_found_and_named(judged_run: Path, weaker_run: Path):
    found = compare_runs(RunFolder(weaker_run), RunFolder(judged_run))
    by_hand = []
    for run in (weaker_run, judged_run):
        tested = read_paintings(RunFolder(run), "test")
        by_hand.append(metrics.accuracy_score(tested.labels, tested.scores["mean"].argmax(1)))
    top1 = found.differences[0]
    assert (top1.first, top1.second) == pytest.approx(by_hand)
    assert found.paintings == found.both + found.first_only + found.second_only + found.neither == 35
    assert top1.difference == pytest.approx((found.second_only - found.first_only) / 35)
    assert found.p < 0.05
    assert "B names artists rightly more often" in table(found, "A", "B")
    swapped = compare_runs(RunFolder(judged_run), RunFolder(weaker_run))
    assert swapped.p == pytest.approx(found.p)
    assert swapped.differences[0].interval == pytest.approx([-edge for edge in reversed(top1.interval)], abs=1e-9)


def test_pairing_narrows_the_interval_of_the_difference():
    generator = np.random.default_rng(0)
    right = generator.random(200) < 0.6
    other = right.copy()
    other[np.flatnonzero(~right)[:12]] = True
    found = compare(answers(right, generator), answers(other, generator))
    low, high = found.differences[0].interval
    assert 0 < low < 0.06 < high < 0.1  # unpaired, it would be 0.06 +- 0.095
    assert found.p == pytest.approx(2 * 0.5**12)


def test_runs_on_other_paintings_are_refused():
    generator = np.random.default_rng(0)
    right = np.ones(20, bool)
    first = answers(right, generator)
    with pytest.raises(RunError, match="2 paintings that only one was judged on, 19 in common"):
        compare(first, dataclasses.replace(first, ids=(*first.ids[:-1], "other")))
    with pytest.raises(RunError, match="under other artists"):
        compare(first, dataclasses.replace(first, labels=first.labels[::-1].copy()))


def test_the_command_prints_the_comparison_and_refuses_what_is_no_run(
    judged_run: Path, weaker_run: Path, tmp_path: Path
):
    done = forked.run("trainer.compare", weaker_run, judged_run)
    assert done.returncode == 0, done.stderr
    assert "McNemar's exact test: p = " in done.stdout
    assert "macro_f1" in done.stdout
    refused = forked.run("trainer.compare", judged_run, tmp_path)
    assert refused.returncode != 0
    assert "trainer.main" in refused.stderr
    assert "Traceback" not in refused.stderr
