"""Which paintings are near copies of each other? Pairs of perceptual hashes, and the groups that they make."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

TILE = 2048  # hashes compared with as many others at once


def group_near_copies(hashes: np.ndarray, bits: int) -> dict[int, int]:
    """Row -> first row of its group, for the rows of uint8[n, bytes] that have near copies."""
    parent: dict[int, int] = {}

    def find(index: int) -> int:
        while parent.setdefault(index, index) != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    for a, b in near_pairs(hashes, bits):
        low, high = sorted((find(a), find(b)))
        parent[high] = low
    return {index: find(index) for index in list(parent)}


def near_pairs(hashes: np.ndarray, bits: int) -> Iterator[tuple[int, int]]:
    """Yields all pairs (i < j) of rows of uint8[n, bytes] that differ in at most `bits` bits."""
    least = hashes.shape[1] * 8 - 2 * bits
    for top in range(0, len(hashes), TILE):
        above = _signs(hashes[top : top + TILE])
        for left in range(top, len(hashes), TILE):
            i, j = np.nonzero(above @ _signs(hashes[left : left + TILE]).T >= least)
            later = top + i < left + j
            yield from zip((top + i[later]).tolist(), (left + j[later]).tolist(), strict=True)


def _signs(table: np.ndarray) -> np.ndarray:
    """uint8[n, bytes] -> float32[n, bits] of -1 and 1."""
    return np.unpackbits(table, axis=1).astype(np.float32) * 2 - 1
