"""Pairs of near copies are those of a plain search."""

import tracemalloc
from unittest import mock

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.plan import near


def table(hashes: list[str]) -> np.ndarray:
    return np.frombuffer(bytes.fromhex("".join(hashes)), np.uint8).reshape(
        len(hashes), len(hashes[0]) // 2 if hashes else 4
    )


@given(st.lists(st.integers(0, 2**32 - 1), max_size=40), st.integers(0, 12))
def test_near_pairs_are_those_of_a_plain_search(values, bits):
    hashes = [f"{value:08x}" for value in values]
    plain = [
        (i, j)
        for i in range(len(values))
        for j in range(i + 1, len(values))
        if (values[i] ^ values[j]).bit_count() <= bits
    ]
    with mock.patch.object(near, "TILE", 7):
        assert sorted(near.near_pairs(table(hashes), bits)) == plain


def test_copies_of_one_picture_are_compared_without_a_list_of_all_pairs():
    hashes = ["ab" * 32] * 600
    with mock.patch.object(near, "TILE", 64):
        tracemalloc.start()
        count = sum(1 for _ in near.near_pairs(table(hashes), 0))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert count == 600 * 599 // 2
    assert peak < 2 * 2**20  # 179,700 pairs in a list take ten times as much
