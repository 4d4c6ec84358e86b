"""Which paintings are near copies: pairs are those of a plain search, and groups do not chain."""

import itertools
import tracemalloc
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.pictures.likeness import mirrored
from pipeline.plan import near
from pipeline.plan.near import INNER, MIRRORED, SURE_BITS, WHOLE, Candidate, Link


def bits(one: np.ndarray, other: np.ndarray) -> int:
    return int(np.bitwise_count(one ^ other).sum())


def close_hashes(seed: int, size: int) -> np.ndarray:
    """uint8[size, 32] of which many are some bits from others."""
    rng = np.random.default_rng(seed)
    hashes = rng.integers(0, 256, (size, 32), np.uint8)
    for row in range(1, size):
        if rng.random() < 0.6:
            flips = np.packbits(np.arange(256) < rng.integers(0, 70))
            hashes[row] = hashes[rng.integers(row)] ^ rng.permutation(flips)
    return hashes


@pytest.mark.parametrize("search", ["product", "faiss"])
@given(st.integers(0, 2**16), st.integers(0, 40))
@settings(max_examples=30)
def test_candidates_are_those_of_a_plain_search(search, seed, size):
    if search == "faiss":
        pytest.importorskip("faiss", reason="the extra [scale] is not installed")
    hashes, inner = close_hashes(seed, size), close_hashes(seed + 1, size)
    inner[: size // 2] = hashes[size // 2 : size // 2 * 2]
    if size > 4:
        hashes[3] = mirrored(hashes[4:5])[0]
    expected = set()
    for one, other in itertools.combinations(range(size), 2):
        if bits(hashes[one], hashes[other]) <= near.NEAR_BITS:
            expected.add((one, other, WHOLE))
        if bits(hashes[one], mirrored(hashes[other : other + 1])[0]) <= near.NEAR_BITS:
            expected.add((one, other, MIRRORED))
        if min(bits(hashes[one], inner[other]), bits(hashes[other], inner[one])) <= near.INNER_BITS:
            expected.add((one, other, INNER))
    blocks = mock.patch.multiple(near, TILE=7, BLOCK=11)
    installed = mock.patch.object(near, "load_faiss", return_value=near.load_faiss() if search == "faiss" else None)
    with blocks, installed:
        found = {(pair.one, pair.other, pair.kind) for pair in near.find_candidates(hashes, inner)}
    twins = {row for row, first in enumerate(near.first_of_same(hashes)) if row != first} if size else set()
    assert found == {pair for pair in expected if not twins & {*pair[:2]}}


def test_lsh_finds_close_pairs_and_no_others():
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 256, (3000, 32), np.uint8)
    others = hashes.copy()
    for row, flipped in enumerate(np.repeat([16, 32, 48, 64], 750)):
        others[row] ^= rng.permutation(np.packbits(np.arange(256) < flipped))
    found = set()
    for ones, twos, distances in near.lsh_pairs(hashes, others, 64):
        assert (np.bitwise_count(hashes[ones] ^ others[twos]).sum(axis=1) == distances).all()
        assert (distances <= 64).all()
        found |= set(zip(ones.tolist(), twos.tolist(), strict=True))
    share = np.array([(row, row) in found for row in range(3000)]).reshape(4, 750).mean(axis=1)
    assert share[:2].min() > 0.99
    assert share[2] > 0.88  # 0.93 is expected
    assert share[3] > 0.35  # 0.43


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12), st.integers(0, 64)), max_size=40))
def test_members_of_a_group_are_linked_to_its_centre_and_cut_links_are_told(pairs):
    links = [Link(a, b, bits) for (a, b), bits in {(min(a, b), max(a, b)): c for a, b, c in pairs if a != b}.items()]
    centres, cut = near.star_groups(links)
    linked = {(link.one, link.other) for link in links}
    assert centres.keys() == {row for pair in linked for row in pair}
    for row, centre in centres.items():
        assert centres[centre] == centre
        assert row == centre or (min(row, centre), max(row, centre)) in linked
    assert cut == [link for link in links if centres[link.one] != centres[link.other]]
    assert near.star_groups(links[::-1])[0] == centres


def test_a_chain_is_cut_where_it_is_weakest():
    chain = [Link(0, 1, 4), Link(1, 2, 4), Link(2, 3, 60), Link(3, 4, 4), Link(4, 5, 4)]
    centres, cut = near.star_groups(chain)
    assert cut == [Link(2, 3, 60)]
    assert len(set(centres.values())) == 2


def test_doubtful_pairs_are_decided_by_a_second_look():
    looks = {0: np.ones((2, 12, 12)), 1: np.ones((2, 12, 12)), 2: -np.ones((2, 12, 12))}
    pairs = [Candidate(0, 1, 60, WHOLE), Candidate(0, 2, 60, WHOLE), Candidate(1, 3, SURE_BITS, WHOLE)]
    pairs += [Candidate(2, 3, 48, INNER), Candidate(2, 3, 40, INNER)]
    assert near.confirm(pairs, looks) == [Link(0, 1, 60), Link(1, 3, SURE_BITS), Link(2, 3, 40)]


def test_pictures_of_one_hash_are_of_one_group_without_a_list_of_all_pairs():
    hashes = np.full((5000, 32), 171, np.uint8)
    hashes[7] ^= np.packbits(np.arange(256) < 9)
    tracemalloc.start()
    candidates = list(near.find_candidates(hashes, hashes))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert {(pair.one, pair.other) for pair in candidates} == {(0, 7)}
    assert peak < 8 * 2**20  # 12 million pairs in a list take a hundred times as much
    centres, cut = near.star_groups([Link(7, 0, 9), *(Link(7, row, 1) for row in range(6000, 6004))])
    assert not cut
    assert set(near.add_same(centres, hashes).values()) == {7}
    assert len(near.add_same(centres, hashes)) == 5004


def test_a_long_search_is_told_before_it_starts():
    with mock.patch.object(near, "load_faiss", return_value=None):
        assert "1.8 hours" in near.warn_of_slow_search(1_000_000)
        assert near.warn_of_slow_search(100_000) == ""
