"""Copies grouped, paintings split: laws of the plan, whatever fits in memory."""

import base64
import hashlib
import tempfile
from collections import Counter
from unittest import mock

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.dataset.contract import SPLITS, Artist
from pipeline.dataset.rejects import CONFLICT, Reject
from pipeline.pictures.likeness import LOOK_BYTES
from pipeline.plan import external_sort
from pipeline.plan.local import make_plan
from pipeline.plan.splits import quotas
from pipeline.plan.work import Plan, Rules, Work
from pipeline.survey import Row
from tests.pipeline.plan import in_memory

RATIOS = (0.8, 0.1, 0.1)


class Made:
    """A plan, all of its paintings, and what it leaves out."""

    def __init__(self, plan: Plan, rejects: list[Reject]) -> None:
        self.plan, self.rejects = plan, rejects
        self.works = {split: tuple(plan.works(split)) for split in SPLITS}

    @property
    def content(self) -> tuple:
        return self.plan.artists, self.plan.counts, self.works, sorted(self.rejects, key=str)


def row(path: str, artist: str = "A", digest: str | None = None, hash_: str | None = None, split: str = "") -> Row:
    digest = digest or hashlib.sha256(path.encode()).hexdigest()
    rng = np.random.default_rng(list(path.encode()))
    hash_ = hash_ or rng.bytes(32).hex()
    alike = {"hash": hash_, "inner": rng.bytes(32).hex(), "look": base64.b64encode(rng.bytes(LOOK_BYTES)).decode()}
    return Row(path, artist, 10, 0.0, split=split, digest=digest, **alike, width=300, height=200)


def hash_of(motif: int) -> str:
    """Those of motifs 2n and 2n + 1 differ in one bit, those of others in about half of theirs."""
    return f"{hashlib.sha256(str(motif // 2).encode()).hexdigest()[:63]}{motif % 2}"


def planned(rows, seed=0, dedup="near", ratios=RATIOS, known=None) -> Made:
    with tempfile.TemporaryDirectory() as folder:
        return Made(*make_plan(iter(rows), known or {}, Rules(ratios, seed, dedup), folder))


def works(made: Made) -> list[Work]:
    return [work for some in made.works.values() for work in some]


GALLERIES = st.lists(st.tuples(st.sampled_from("ABCDE"), st.integers(0, 12), st.sampled_from(SPLITS)), max_size=60).map(
    # (artist, number of a motif, split): the same motif is an exact copy, motifs 2n and 2n + 1 are near copies
    lambda rows: [
        row(
            f"{artist}/{place}",
            artist,
            digest=hashlib.sha256(str(motif).encode()).hexdigest(),
            hash_=hash_of(motif),
            split=split,
        )
        for place, (artist, motif, split) in enumerate(rows)
    ]
)
DEDUPS = st.sampled_from(["near", "exact", "off"])


@given(GALLERIES, DEDUPS, st.integers(0, 3), st.sampled_from([RATIOS, (0.5, 0.5, 0), None]), st.integers(2, 9))
@settings(max_examples=200)
def test_sorting_on_the_disk_plans_what_one_look_at_all_rows_does(rows, dedup, seed, ratios, run):
    whole = in_memory.make_plan(rows, {}, ratios, seed, dedup)
    with mock.patch.object(external_sort, "RUN", run), mock.patch.object(external_sort, "MOST_RUNS", 3):
        made = planned(rows, seed, dedup, ratios)
    assert made.works == whole.works
    assert made.plan.artists == whole.artists
    assert sorted(map(str, made.rejects)) == sorted(map(str, whole.rejects))
    assert made.plan.copies == sum(len(work.copies) for work in works(made))
    sizes = Counter(work.group for work in works(made))
    assert made.plan.near_paintings == sum(size for size in sizes.values() if size > 1)


@given(GALLERIES, DEDUPS, st.integers(0, 3))
def test_every_file_is_kept_dropped_or_rejected_once(rows, dedup, seed):
    made = planned(rows, seed, dedup)
    paths = [path for work in works(made) for path in (work.path, *work.copies)]
    paths += [reject.path for reject in made.rejects]
    assert sorted(paths) == sorted(row.path for row in rows)


@given(GALLERIES, DEDUPS, st.integers(0, 3))
def test_copies_of_a_painting_stay_in_one_split(rows, dedup, seed):
    made = works(planned(rows, seed, dedup))
    for key in ("digest", "group"):
        splits = {(getattr(work, key), work.split) for work in made}
        assert len(splits) == len({value for value, _ in splits})


@given(GALLERIES)
def test_near_copies_share_a_group(rows):
    made = works(planned(rows))
    hash_of = {row.digest: row.hash for row in rows}
    groups = {(hash_of[work.digest][:-1], work.group) for work in made}
    assert len(groups) == len({motif for motif, _ in groups})


@given(GALLERIES, st.randoms(use_true_random=False), st.integers(0, 3))
def test_the_order_of_files_changes_nothing(rows, random, seed):
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert planned(rows, seed).content == planned(shuffled, seed).content


@given(st.dictionaries(st.sampled_from("ABCDEFG"), st.integers(1, 60), min_size=1), st.integers(0, 5))
@settings(max_examples=50)
def test_every_artist_with_three_paintings_is_in_each_split(counts, seed):
    rows = [row(f"{artist}/{number}", artist) for artist, count in counts.items() for number in range(count)]
    made = planned(rows, seed)
    for artist, count in counts.items():
        shares = Counter(work.split for work in works(made) if work.artist == artist)
        assert [shares[split] for split in SPLITS] == quotas(count, RATIOS)
        if count >= 3:
            assert all(shares[split] for split in SPLITS)


def test_another_seed_gives_another_split():
    rows = [row(f"A/{number}") for number in range(50)]
    splits = [{work.path: work.split for work in works(planned(rows, seed))} for seed in range(3)]
    assert splits[0] != splits[1] != splits[2]


def test_the_same_picture_under_two_artists_is_a_conflict():
    rows = [row("A/1", "A", "d" * 64), row("B/1", "B", "d" * 64), row("A/2", "A")]
    made = planned(rows)
    assert [work.path for work in works(made)] == ["A/2"]
    assert {(reject.path, reject.reason, reject.detail) for reject in made.rejects} == {
        ("A/1", CONFLICT, "also under B"),
        ("B/1", CONFLICT, "also under A"),
    }
    assert [artist.name for artist in made.plan.artists] == ["A"]


def test_copies_kept_on_request_have_names_of_their_own():
    made = works(planned([row("A/1", digest="d" * 64), row("A/2", digest="d" * 64)], dedup="off"))
    assert sorted(work.painting_id for work in made) == ["d" * 16, "d" * 16 + "-2"]


def test_labels_are_artists_by_name_with_what_is_known_of_them():
    known = {"B": Artist("B", "1900 - 1950", "Cubism", "French")}
    made = planned([row("x/1", "C"), row("y/1", "B")], known=known)
    assert made.plan.artists == (known["B"], Artist("C"))
    assert {work.artist: work.label for work in works(made)} == {"B": 0, "C": 1}
