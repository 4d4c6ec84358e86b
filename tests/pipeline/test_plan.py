"""Copies grouped, paintings split, shards laid out: laws of a pure function."""

import hashlib
import tracemalloc
from collections import Counter
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import plan
from pipeline.dataset.contract import SPLITS, Artist
from pipeline.survey import Row

RATIOS = (0.8, 0.1, 0.1)


def row(path: str, artist: str = "A", digest: str | None = None, hash_: str | None = None) -> Row:
    digest = digest or hashlib.sha256(path.encode()).hexdigest()
    rng = np.random.default_rng(list(path.encode()))
    return Row(path, artist, 10, 0.0, digest=digest, hash=hash_ or rng.bytes(32).hex(), width=300, height=200)


def planned(rows, seed=0, dedup="near", ratios=RATIOS) -> plan.Plan:
    return plan.make_plan(rows, {}, ratios, seed, dedup, near_bits=20)


def works(made: plan.Plan) -> list[plan.Work]:
    return [work for some in made.works.values() for work in some]


GALLERIES = st.lists(st.tuples(st.sampled_from("ABCDE"), st.integers(0, 12)), max_size=60).map(
    # (artist, number of a motif): the same motif is an exact copy, motifs 2n and 2n + 1 are near copies
    lambda pairs: [
        row(
            f"{artist}/{place}",
            artist,
            digest=f"{motif:064x}",
            hash_=f"{(motif // 2 * 0x1234567890ABCDEF1234567890ABCDEF) % 2**256:063x}{motif % 2}",
        )
        for place, (artist, motif) in enumerate(pairs)
    ]
)


@given(GALLERIES, st.sampled_from(["near", "exact", "off"]), st.integers(0, 3))
def test_every_file_is_kept_dropped_or_rejected_once(rows, dedup, seed):
    made = planned(rows, seed, dedup)
    paths = [path for work in works(made) for path in (work.path, *work.copies)]
    paths += [reject.path for reject in made.rejects]
    assert sorted(paths) == sorted(row.path for row in rows)


@given(GALLERIES, st.sampled_from(["near", "exact", "off"]), st.integers(0, 3))
def test_copies_of_a_painting_stay_in_one_split(rows, dedup, seed):
    made = works(planned(rows, seed, dedup))
    for key in ("digest", "group"):
        splits = {(getattr(work, key), work.split) for work in made}
        assert len(splits) == len({value for value, _ in splits})


@given(GALLERIES)
def test_near_copies_share_a_group(rows):
    made = works(planned(rows))
    groups = {(int(work.digest, 16) // 2, work.group) for work in made}
    assert len(groups) == len({motif for motif, _ in groups})


@given(GALLERIES, st.randoms(use_true_random=False), st.integers(0, 3))
def test_the_order_of_files_changes_nothing(rows, random, seed):
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert planned(rows, seed) == planned(shuffled, seed)


@given(st.dictionaries(st.sampled_from("ABCDEFG"), st.integers(1, 60), min_size=1), st.integers(0, 5))
@settings(max_examples=50)
def test_every_artist_with_three_paintings_is_in_each_split(counts, seed):
    rows = [row(f"{artist}/{number}", artist) for artist, count in counts.items() for number in range(count)]
    made = planned(rows, seed)
    for artist, count in counts.items():
        shares = Counter(work.split for work in works(made) if work.artist == artist)
        assert [shares[split] for split in SPLITS] == plan.quotas(count, RATIOS)
        if count >= 3:
            assert all(shares[split] for split in SPLITS)


@given(st.lists(st.integers(1, 9), min_size=3, max_size=30), st.integers(0, 5))
def test_groups_of_any_size_still_give_each_split_one(sizes, seed):
    groups = {f"g{index}": Counter({"A": size}) for index, size in enumerate(sizes)}
    assert set(plan.assign_splits(groups, RATIOS, seed).values()) == set(SPLITS)


@given(st.integers(0, 1000), st.sampled_from([RATIOS, (1, 0, 0), (0.7, 0.15, 0.15), (0.5, 0.5, 0)]))
def test_quotas_sum_to_the_whole_and_stay_close(paintings, ratios):
    shares = plan.quotas(paintings, ratios)
    assert sum(shares) == paintings
    assert all(share == 0 for share, ratio in zip(shares, ratios, strict=True) if ratio == 0)
    assert all(abs(share - paintings * ratio) <= 2 for share, ratio in zip(shares, ratios, strict=True))


def test_another_seed_gives_another_split():
    rows = [row(f"A/{number}") for number in range(50)]
    splits = [{work.path: work.split for work in works(planned(rows, seed))} for seed in range(3)]
    assert splits[0] != splits[1] != splits[2]


def test_the_same_picture_under_two_artists_is_a_conflict():
    rows = [row("A/1", "A", "d" * 64), row("B/1", "B", "d" * 64), row("A/2", "A")]
    made = planned(rows)
    assert [work.path for work in works(made)] == ["A/2"]
    assert {(reject.path, reject.reason, reject.detail) for reject in made.rejects} == {
        ("A/1", plan.CONFLICT, "also under B"),
        ("B/1", plan.CONFLICT, "also under A"),
    }
    assert [artist.name for artist in made.artists] == ["A"]


def test_copies_kept_on_request_have_names_of_their_own():
    made = works(planned([row("A/1", digest="d" * 64), row("A/2", digest="d" * 64)], dedup="off"))
    assert sorted(work.painting_id for work in made) == ["d" * 16, "d" * 16 + "-2"]


def test_labels_are_artists_by_name_with_what_is_known_of_them():
    known = {"B": Artist("B", "1900 - 1950", "Cubism", "French")}
    made = plan.make_plan([row("x/1", "C"), row("y/1", "B")], known, RATIOS, 0, "near", 20)
    assert made.artists == (known["B"], Artist("C"))
    assert {work.artist: work.label for work in works(made)} == {"B": 0, "C": 1}


@given(st.lists(st.integers(0, 2**32 - 1), max_size=40), st.integers(0, 12))
def test_near_pairs_are_those_of_a_plain_search(values, bits):
    hashes = [f"{value:08x}" for value in values]
    plain = [
        (i, j)
        for i in range(len(values))
        for j in range(i + 1, len(values))
        if (values[i] ^ values[j]).bit_count() <= bits
    ]
    with mock.patch.object(plan, "TILE", 7):
        assert sorted(plan.near_pairs(hashes, bits)) == plain


@given(st.integers(1, 500), st.integers(1, 10**6), st.integers(1, 10**7))
def test_shards_are_a_partition_and_nest(paintings, painting_bytes, shard_bytes):
    count = plan.shard_count(paintings, painting_bytes, shard_bytes)
    assert count & (count - 1) == 0
    ranges = [plan.shard_range(paintings, index, count) for index in range(count)]
    assert [start for start, _ in ranges] == [0, *(stop for _, stop in ranges[:-1])]
    assert ranges[-1][1] == paintings
    assert all(start < stop for start, stop in ranges)
    if count > 1:
        coarse = [plan.shard_range(paintings, index, count // 2) for index in range(count // 2)]
        assert coarse == [(ranges[i][0], ranges[i + 1][1]) for i in range(0, count, 2)]


def test_an_empty_split_has_no_shards():
    assert plan.shard_count(0, 10, 10) == 0


@pytest.mark.parametrize("change", ["seed", "scheme", "encoding", "shards", "label"])
def test_the_fingerprint_changes_with_what_decides_records(change):
    from pipeline.dataset.schemes import Crops

    rows = [row(f"A/{number}") for number in range(20)]
    arguments = {"scheme": Crops(64, 16), "encoding": "raw", "shards": {"train": 4}}
    before = plan.fingerprint(planned(rows), **arguments)
    assert before == plan.fingerprint(planned(rows[::-1]), **arguments)
    if change == "seed":
        after = plan.fingerprint(planned(rows, seed=1), **arguments)
    elif change == "label":
        after = plan.fingerprint(planned([*rows, row("0/1", "0")]), **arguments)
    else:
        other = {"scheme": Crops(64, 4), "encoding": "png", "shards": {"train": 8}}[change]
        after = plan.fingerprint(planned(rows), **{**arguments, change: other})
    assert after != before


def test_copies_of_one_picture_are_compared_without_a_list_of_all_pairs():
    hashes = ["ab" * 32] * 600
    with mock.patch.object(plan, "TILE", 64):
        tracemalloc.start()
        count = sum(1 for _ in plan.near_pairs(hashes, 0))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert count == 600 * 599 // 2
    assert peak < 2 * 2**20  # 179,700 pairs in a list take ten times as much
