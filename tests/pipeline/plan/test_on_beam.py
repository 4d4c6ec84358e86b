"""A plan that a runner's workers make is the one that this machine makes."""

import random
from unittest import mock

import pytest

from pipeline.dataset.contract import SPLITS
from pipeline.errors import MorelliError
from pipeline.plan import on_beam, search_on_beam
from pipeline.plan.work import Rules
from pipeline.workers import beam
from tests.pipeline.plan.test_local import RATIOS, Made, hash_of, planned, row


def gallery(seed: int, size: int) -> list:
    """Rows with exact copies, near copies and copies under several artists."""
    chance = random.Random(seed)
    rows = []
    for number in range(size):
        motif = chance.randrange(size)
        artist = chance.choice("ABCDE")
        known = row(f"{artist}/{number}", artist, hash_=hash_of(motif), split=chance.choice(SPLITS))
        again = rows and chance.random() < 0.3
        rows.append(row(known.path, artist, rows[-1].digest, known.hash, split="test") if again else known)
    return rows


@pytest.mark.parametrize(
    ("dedup", "ratios", "part"),
    [("near", RATIOS, 40), ("near", None, 7), ("off", RATIOS, 1000), ("exact", (0.5, 0.5, 0), 9)],
)
def test_the_workers_of_a_runner_make_the_same_plan(tmp_path, dedup, ratios, part):
    rows = gallery(len(dedup) + part, 150)
    with mock.patch.object(on_beam, "PART", part), mock.patch.object(search_on_beam, "BLOCK", 17):
        made = Made(*on_beam.make_plan(iter(rows), {}, Rules(ratios, 3, dedup), str(tmp_path), []))
    assert made.content == planned(rows, 3, dedup, ratios).content
    assert made.plan.copies == planned(rows, 3, dedup, ratios).plan.copies


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_plan_that_was_stopped_after_any_step_is_made_anew(tmp_path, steps):
    """Of other rows, too, than those that the files of the first attempt are of."""
    done, run_pipeline = [], beam.run_pipeline

    def stopping(build, flags):
        run_pipeline(build, flags)
        done.append(build)
        if len(done) == steps:
            raise MorelliError("stopped")

    rules = Rules(RATIOS, 3, "near")
    with mock.patch.object(on_beam, "PART", 20):
        with (
            mock.patch.object(on_beam, "run_pipeline", stopping),
            mock.patch.object(search_on_beam, "run_pipeline", stopping),
            pytest.raises(MorelliError, match="stopped"),
        ):
            on_beam.make_plan(iter(gallery(7, 120)), {}, rules, str(tmp_path), [])
        assert list(tmp_path.rglob("*-rows.jsonl"))
        rows = gallery(7, 90)
        made = Made(*on_beam.make_plan(iter(rows), {}, rules, str(tmp_path), []))
    assert made.content == planned(rows, 3, "near", RATIOS).content


def test_a_runner_that_loses_work_and_says_done_is_not_believed(tmp_path):
    lost = mock.patch.object(on_beam, "run_pipeline")
    with lost, pytest.raises(MorelliError, match="0 of 60 rows"):
        on_beam.make_plan(iter(gallery(0, 60)), {}, Rules(RATIOS, 3, "near"), str(tmp_path), [])
