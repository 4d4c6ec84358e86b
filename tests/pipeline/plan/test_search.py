"""Pairs of alike hashes are those of a plain search, or of LSH most of them; on a runner's workers the same."""

import itertools
import tracemalloc
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.pictures.likeness import LOOK_BYTES, mirrored
from pipeline.plan import near, search, search_on_beam
from pipeline.plan.search import INNER, KINDS, MIRRORED, WHOLE, Search, Side


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


@pytest.mark.parametrize("by", ["product", "faiss"])
@given(st.integers(0, 2**16), st.integers(0, 40))
@settings(max_examples=30)
def test_candidates_are_those_of_a_plain_search(by, seed, size):
    if by == "faiss":
        pytest.importorskip("faiss", reason="the extra [scale] is not installed")
    hashes, inner = close_hashes(seed, size), close_hashes(seed + 1, size)
    inner[: size // 2] = hashes[size // 2 : size // 2 * 2]
    if size > 4:
        hashes[3] = mirrored(hashes[4:5])[0]
    expected = set()
    for one, other in itertools.combinations(range(size), 2):
        if (apart := bits(hashes[one], hashes[other])) <= search.NEAR_BITS:
            expected.add((one, other, WHOLE, apart))
        if (apart := bits(hashes[one], mirrored(hashes[other : other + 1])[0])) <= search.NEAR_BITS:
            expected.add((one, other, MIRRORED, apart))
        for apart in {bits(hashes[one], inner[other]), bits(hashes[other], inner[one])}:
            if apart <= search.INNER_BITS:
                expected.add((one, other, INNER, apart))
    blocks = mock.patch.multiple(search, TILE=7, BLOCK=11)
    installed = mock.patch.object(search, "load_faiss", return_value=search.load_faiss() if by == "faiss" else None)
    with blocks, installed:
        found = search.find(hashes, inner)
    first = search.first_of_same(hashes) if size else []
    assert found.same.tolist() == [[row, of] for row, of in enumerate(first) if row != of]
    twins = set(found.same[:, 0].tolist())
    told = [(one, other, KINDS[kind], apart) for one, other, kind, apart in found.candidates.tolist()]
    assert sorted(told) == sorted(pair for pair in expected if not twins & {*pair[:2]})


def test_lsh_finds_close_pairs_and_no_others():
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 256, (3000, 32), np.uint8)
    others = hashes.copy()
    for row, flipped in enumerate(np.repeat([16, 32, 48, 64], 750)):
        others[row] ^= rng.permutation(np.packbits(np.arange(256) < flipped))
    wanted = Search(WHOLE, 64, exact=False)
    ones, twos = Side(np.arange(3000), hashes), Side(np.arange(3000, 6000), others)
    candidates = search.distinct(
        some for table in range(search.TABLES) for some in search.in_table(wanted, table, ones, twos)
    )
    one, other, _, apart = candidates.T
    assert (np.bitwise_count(hashes[one] ^ others[other - 3000]).sum(axis=1) == apart).all()
    assert (apart <= 64).all()
    found = set(zip(one.tolist(), other.tolist(), strict=True))
    assert len(found) == len(candidates)
    share = np.array([(row, row + 3000) in found for row in range(3000)]).reshape(4, 750).mean(axis=1)
    assert share[:2].min() > 0.99
    assert share[2] > 0.88  # 0.93 is expected
    assert share[3] > 0.35  # 0.43


def test_pictures_of_one_hash_are_compared_once():
    hashes = np.full((5000, 32), 171, np.uint8)
    hashes[7] ^= np.packbits(np.arange(256) < 9)
    tracemalloc.start()
    found = search.find(hashes, hashes)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert {(one, other) for one, other, *_ in found.candidates.tolist()} == {(0, 7)}
    assert len(found.same) == 4998
    assert peak < 8 * 2**20  # 12 million pairs in a list take a hundred times as much


def test_a_long_search_is_told_before_it_starts():
    with mock.patch.object(search, "load_faiss", return_value=None):
        assert "1.8 hours" in search.warn_of_slow_search(1_000_000)
        assert search.warn_of_slow_search(100_000) == ""


@pytest.mark.parametrize("exact_up_to", [1000, 0])
def test_the_workers_of_a_runner_find_the_same_and_look_twice(tmp_path, exact_up_to):
    sizes = (30, 0, 50, 41)
    hashes, inner = close_hashes(5, sum(sizes)), close_hashes(6, sum(sizes))
    inner[:60] = hashes[60:120]
    hashes[[3, 50, 90]] = hashes[[70, 70, 2]]
    starts = np.cumsum([0, *sizes])[:-1]
    looks = np.random.default_rng(0).choice(np.array([0x3C, 0xC3], np.uint8), (sum(sizes), 1))
    looks = np.repeat(looks, LOOK_BYTES, axis=1)
    settings = {"EXACT_UP_TO": exact_up_to, "ALL_PAIRS_UP_TO": exact_up_to, "TABLES": 24, "BLOCK": 17}
    with (
        mock.patch.multiple(search, **settings),
        mock.patch.multiple(search_on_beam, TABLES=24, BLOCK=17),
    ):
        shares = {}
        for part, (start, size) in enumerate(zip(starts.tolist(), sizes, strict=True)):
            hashed = np.zeros(size, search_on_beam.HASHED)
            hashed["row"] = search_on_beam.row_ids(part, size)
            hashed["hash"], hashed["inner"] = hashes[start : start + size], inner[start : start + size]
            search_on_beam.write_looks(part, looks[start : start + size], str(tmp_path))
            for block, share in search_on_beam.by_block(hashed, search_on_beam.blocks_of(sum(sizes))):
                shares.setdefault(block, []).append(share)
        assert len(shares) > 4
        for each in shares.items():
            search_on_beam.write_block(each, str(tmp_path))
        found, compared, expected = search_on_beam.find(starts, sum(sizes), str(tmp_path), [])
        here = search.find(hashes, inner)
    assert compared == expected > sum(sizes)
    assert found.same.tolist() == here.same.tolist()
    doubtful = near.is_doubtful(here.candidates)
    ones, others = (looks[here.candidates[:, side]] for side in (0, 1))
    agreeing = near.agree(here.candidates, ones, others)
    assert 0 < (doubtful & ~agreeing).sum() < doubtful.sum()
    assert found.candidates.tolist() == here.candidates[~doubtful | agreeing].tolist()
