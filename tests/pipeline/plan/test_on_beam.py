"""A plan that a runner's workers make is the one that this machine makes."""

import random
from unittest import mock

import pytest

from pipeline.dataset.contract import SPLITS
from pipeline.errors import MorelliError
from pipeline.plan import on_beam
from pipeline.plan.rules import Rules
from tests.pipeline.plan.test_local import NEAR, RATIOS, Made, planned, row


def gallery(seed: int, size: int) -> list:
    """Rows with exact copies, near copies and copies under several artists."""
    chance = random.Random(seed)
    rows = []
    for number in range(size):
        motif = chance.randrange(size)
        hash_ = f"{(motif // 2 * 0x1234567890ABCDEF1234567890ABCDEF) % 2**256:063x}{motif % 2}"
        artist = chance.choice("ABCDE")
        known = row(f"{artist}/{number}", artist, hash_=hash_, split=chance.choice(SPLITS))
        rows.append(
            known if chance.random() < 0.7 or not rows else row(known.path, artist, rows[-1].digest, split="test")
        )
    return rows


@pytest.mark.parametrize(
    ("dedup", "ratios", "part"),
    [("near", RATIOS, 40), ("near", None, 7), ("off", RATIOS, 1000), ("exact", (0.5, 0.5, 0), 9)],
)
def test_the_workers_of_a_runner_make_the_same_plan(tmp_path, dedup, ratios, part):
    rows = gallery(len(dedup) + part, 150)
    with mock.patch.object(on_beam, "PART", part):
        made = Made(*on_beam.make_plan(iter(rows), {}, Rules(ratios, 3, dedup, NEAR), str(tmp_path), []))
    assert made.content == planned(rows, 3, dedup, ratios).content
    assert made.plan.copies == planned(rows, 3, dedup, ratios).plan.copies


def test_a_runner_that_loses_work_and_says_done_is_not_believed(tmp_path):
    lost = mock.patch.object(on_beam, "run_pipeline")
    with lost, pytest.raises(MorelliError, match="0 of 60 rows"):
        on_beam.make_plan(iter(gallery(0, 60)), {}, Rules(RATIOS, 3, "near", NEAR), str(tmp_path), [])
