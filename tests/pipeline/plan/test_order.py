"""How the order of paintings is cut into shards, and what tells one order from another."""

import hashlib
import json
from dataclasses import replace
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from pipeline.dataset.contract import FORMAT
from pipeline.dataset.schemes import Crops
from pipeline.plan.order import Records, fingerprints, shard_count, shard_range


class Placed(NamedTuple):
    painting_id: str
    label: int


@given(st.integers(1, 500), st.integers(1, 10**6), st.integers(1, 10**7))
def test_shards_are_a_partition_and_nest(paintings, painting_bytes, shard_bytes):
    count = shard_count(paintings, painting_bytes, shard_bytes)
    assert count & (count - 1) == 0
    ranges = [shard_range(paintings, index, count) for index in range(count)]
    assert [start for start, _ in ranges] == [0, *(stop for _, stop in ranges[:-1])]
    assert ranges[-1][1] == paintings
    assert all(start < stop for start, stop in ranges)
    if count > 1:
        coarse = [shard_range(paintings, index, count // 2) for index in range(count // 2)]
        assert coarse == [(ranges[i][0], ranges[i + 1][1]) for i in range(0, count, 2)]


def test_an_empty_split_has_no_shards():
    assert shard_count(0, 10, 10) == 0


WORKS = {"train": [Placed("a", 0), Placed("b", 1)], "validation": [], "test": [Placed("é", 1)]}
RECORDS = Records(Crops(64, 16), "raw", -3, ("Ada", "Bó"), {"train": 4, "validation": 0, "test": 1})


def test_a_fingerprint_is_of_json_that_is_never_held_whole():
    content = {
        "format": FORMAT,
        "scheme": "crop64x16",
        "encoding": "raw",
        "seed": -3,
        "labels": ["Ada", "Bó"],
        "shards": RECORDS.shards,
        "works": {split: [[work.painting_id, work.label] for work in works] for split, works in WORKS.items()},
    }
    text = json.dumps(content, sort_keys=True, ensure_ascii=False)
    assert fingerprints([RECORDS], WORKS) == [hashlib.sha256(text.encode()).hexdigest()]


def test_the_fingerprint_changes_with_what_decides_records():
    changes = {"scheme": Crops(64, 4), "encoding": "png", "seed": 1, "labels": ("Ada", "B"), "shards": {"train": 8}}
    datasets = [RECORDS, *(replace(RECORDS, **{name: value}) for name, value in changes.items())]
    others = ({**WORKS, "test": [Placed("é", 0)]}, {**WORKS, "train": WORKS["train"][::-1]})
    found = [*fingerprints(datasets, WORKS), *(fingerprints([RECORDS], works)[0] for works in others)]
    assert len(set(found)) == len(found)
