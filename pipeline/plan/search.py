"""Pairs of paintings whose hashes are alike, among however many: candidates for near copies.

Three kinds of copies are looked for: of the whole picture, of it mirrored, and with its edges cut off or framed. Up to
EXACT_UP_TO paintings all are compared with all. Above, the whole pictures still are, which takes long without faiss;
for the other kinds, and for all kinds above ALL_PAIRS_UP_TO, LSH names the pairs to compare (Indyk and Motwani,
"Approximate nearest neighbors", 1998): TABLES times, hashes that agree in KEY_BITS bits chosen by chance. Of pairs so
many bits apart it finds 1.00 (up to 32), 0.93 (48) and 0.43 (64).

What is compared is a `Side` with another: all there is in this process, or blocks of it on workers (`search_on_beam`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from pipeline.pictures.likeness import HASH_BYTES, mirrored
from pipeline.plan.order import keyed_order

# Of 1,227 real paintings and of altered copies of a fourth of them; see docs/EXPERIMENTS.md.
NEAR_BITS = 64  # of 256 in which hashes of copies may differ; `near` says when that is enough
INNER_BITS = 48  # the same between the whole of one picture and the inner part of another

EXACT_UP_TO = 100_000
ALL_PAIRS_UP_TO = 10_000_000
BLOCK = 2**16  # hashes compared with as many others at once by faiss
TILE = 2**11  # the same without it
TABLES, KEY_BITS = 128, 18
_PAIRS_A_SECOND = 7.8e7  # without faiss, by one core
_AT_ONCE = 2**20  # pairs whose distance is taken at once

WHOLE, MIRRORED, INNER = "whole", "mirrored", "inner"
KINDS = (WHOLE, MIRRORED, INNER)


class Side(NamedTuple):
    """Hashes on one side of a comparison: rows int64[n], and uint8[n, HASH_BYTES]."""

    rows: np.ndarray
    hashes: np.ndarray

    def cut(self, first: int, stop: int) -> Side:
        """Some of them."""
        return Side(self.rows[first:stop], self.hashes[first:stop])


@dataclass(frozen=True, slots=True)
class Search:
    """Attributes:
    kind: one of KINDS.
    bits: in which hashes of a pair may differ.
    exact: whether all are compared with all; LSH names pairs otherwise.
    """

    kind: str
    bits: int
    exact: bool

    def sides(self, rows: np.ndarray, hashes: np.ndarray, inner: np.ndarray) -> tuple[Side, Side]:
        """What is compared with what, of rows int64[n] with hashes and inner hashes uint8[n, HASH_BYTES]."""
        others = {WHOLE: lambda: hashes, MIRRORED: lambda: mirrored(hashes), INNER: lambda: inner}[self.kind]()
        return Side(rows, hashes), Side(rows, others)

    @property
    def symmetric(self) -> bool:
        """Whether one is as far from another as the other from the one."""
        return self.kind != INNER


class Found(NamedTuple):
    """Attributes:
    candidates: int64[n, 4]: row of one, of the other, which is higher, number of the kind in KINDS, bits apart; each
      once, in ascending order.
    same: int64[n, 2], of rows that have the very hash of another: row, first row of that hash. Of these the first alone
      is among candidates.
    """

    candidates: np.ndarray
    same: np.ndarray


def searches(paintings: int) -> tuple[Search, ...]:
    """What is looked for among so many paintings that have hashes of their own, and how."""
    exact, whole = paintings <= EXACT_UP_TO, paintings <= ALL_PAIRS_UP_TO
    return (
        Search(WHOLE, NEAR_BITS, whole),
        Search(MIRRORED, NEAR_BITS, exact),
        Search(INNER, INNER_BITS, exact),
    )


def find(hashes: np.ndarray, inner: np.ndarray) -> Found:
    """Searches in this process.

    Args:
      hashes, inner: uint8[n, HASH_BYTES], of whole pictures and of their inner parts.
    """
    first = first_of_same(hashes)
    rows = np.arange(len(hashes))
    own = np.flatnonzero(first == rows)
    others = np.flatnonzero(first != rows)
    same = np.stack([others, first[others]], axis=1)
    hashes, inner = hashes[own], inner[own]
    return Found(distinct(_find(own, hashes, inner)), same)


def _find(rows: np.ndarray, hashes: np.ndarray, inner: np.ndarray) -> Iterator[np.ndarray]:
    for search in searches(len(rows)):
        ones, others = search.sides(rows, hashes, inner)
        if search.exact:
            for top, left in block_pairs(search, -(-len(rows) // BLOCK)):
                one = ones.cut(top * BLOCK, (top + 1) * BLOCK)
                yield from within(search, one, others.cut(left * BLOCK, (left + 1) * BLOCK), top == left)
        else:
            for table in range(TABLES):
                yield from in_table(search, table, ones, others)


def block_pairs(search: Search, blocks: int) -> Iterator[tuple[int, int]]:
    """Which of so many blocks are to be compared with which."""
    for top in range(blocks):
        for left in range(top if search.symmetric else 0, blocks):
            yield top, left


def first_of_same(hashes: np.ndarray) -> np.ndarray:
    """int64[n]: for each row of uint8[n, bytes], the first row that is the same."""
    _, first, which = np.unique(hashes, axis=0, return_index=True, return_inverse=True)
    return np.asarray(first[which.ravel()])


def distinct(some: Iterable[np.ndarray]) -> np.ndarray:
    """All candidates of int64[n, 4], each once and in ascending order, though LSH finds most of them many times."""
    held, waiting, more = np.zeros((0, 4), np.int64), list[np.ndarray](), 0
    for candidates in some:
        waiting.append(candidates)
        more += len(candidates)
        if more > max(_AT_ONCE, len(held)):
            held, waiting, more = _distinct([held, *waiting]), [], 0
    return _distinct([held, *waiting])


def _distinct(some: list[np.ndarray]) -> np.ndarray:
    every = np.concatenate(some)
    every = every[np.lexsort(every.T[::-1])]
    again = np.zeros(len(every), bool)
    again[1:] = (every[1:] == every[:-1]).all(axis=1)
    return np.asarray(every[~again])


def _candidates(
    search: Search, ones: Side, others: Side, one: np.ndarray, other: np.ndarray, bits: np.ndarray
) -> np.ndarray:
    """int64[n, 4] of pairs, by where they are on their sides."""
    one, other = ones.rows[one], others.rows[other]
    every = np.stack(
        [np.minimum(one, other), np.maximum(one, other), np.full(len(one), KINDS.index(search.kind)), bits], axis=1
    )
    return np.asarray(every[one != other])


# --- All with all ----------------------------------------------------------------------------------------------------


def within(search: Search, ones: Side, others: Side, same: bool) -> Iterator[np.ndarray]:
    """Candidates among all pairs of two sides, which are of the same paintings or have none in common."""
    faiss = load_faiss()
    if faiss:
        yield _candidates(search, ones, others, *_within_by_faiss(faiss, ones.hashes, others.hashes, search.bits))
        return
    for top in range(0, len(ones.rows), TILE):
        for left in range(top if same and search.symmetric else 0, len(others.rows), TILE):
            one, other = ones.cut(top, top + TILE), others.cut(left, left + TILE)
            yield _candidates(search, one, other, *_within(one.hashes, other.hashes, search.bits))


def warn_of_slow_search(paintings: int) -> str:
    """What to tell a user before so many are compared; nothing where that is soon done."""
    if not EXACT_UP_TO < paintings <= ALL_PAIRS_UP_TO or load_faiss():
        return ""
    hours = paintings**2 / 2 / _PAIRS_A_SECOND / 3600
    return (
        f"{paintings:,} paintings are compared with each other for near copies, about {hours:.1f} hours of a core. "
        "With faiss it is an eighth of that: pip install 'morelli[scale]'. Or pass --dedup=exact."
    )


def load_faiss() -> Any:
    """The faiss package; None where it is not installed."""
    try:
        import faiss
    except ImportError:
        return None
    return faiss


def _within(hashes: np.ndarray, others: np.ndarray, bits: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs at most so many bits apart: with bits as -1 and 1, a product of hashes is their length less twice that."""
    length = hashes.shape[1] * 8
    product = _signs(hashes) @ _signs(others).T
    ones, twos = np.nonzero(product >= length - 2 * bits)
    return ones, twos, ((length - product[ones, twos]) / 2).astype(np.int64)


def _signs(hashes: np.ndarray) -> np.ndarray:
    """uint8[n, bytes] -> float32[n, bits] of -1 and 1."""
    return np.unpackbits(hashes, axis=1).astype(np.float32) * 2 - 1


def _within_by_faiss(
    faiss: Any, hashes: np.ndarray, others: np.ndarray, bits: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same, eight times as fast."""
    index = faiss.IndexBinaryFlat(hashes.shape[1] * 8)
    index.add(np.ascontiguousarray(others))
    limits, distances, twos = index.range_search(np.ascontiguousarray(hashes), bits + 1)  # less than, it means
    ones = np.repeat(np.arange(len(hashes)), np.diff(limits.astype(np.int64)))
    return ones, twos.astype(np.int64), distances.astype(np.int64)


# --- Those that LSH names --------------------------------------------------------------------------------------------


def in_table(search: Search, table: int, ones: Side, others: Side) -> Iterator[np.ndarray]:
    """Candidates among pairs of two sides that agree in all bits of the key of one table."""
    keys = lsh_keys(others.hashes, table)
    order = np.argsort(keys, kind="stable")
    counts = np.bincount(keys, minlength=2**KEY_BITS)
    stops = np.cumsum(counts)
    asked = lsh_keys(ones.hashes, table)
    ends = np.cumsum(counts[asked])
    for first in range(0, int(ends[-1]) if len(ends) else 0, _AT_ONCE):
        number = np.arange(first, min(first + _AT_ONCE, int(ends[-1])))
        one = np.searchsorted(ends, number, "right")
        other = order[stops[asked[one]] - (ends[one] - number)]
        bits = np.bitwise_count(_words(ones.hashes[one]) ^ _words(others.hashes[other])).sum(axis=1, dtype=np.int64)
        close = bits <= search.bits
        yield _candidates(search, ones, others, one[close], other[close], bits[close])


def lsh_keys(hashes: np.ndarray, table: int) -> np.ndarray:
    """int64[n]: the bits of uint8[n, bytes] that a table looks at, which are the same on any machine."""
    places = sorted(range(HASH_BYTES * 8), key=lambda bit: keyed_order(table, str(bit)))[:KEY_BITS]
    keys = np.zeros(len(hashes), np.int64)
    for number, place in enumerate(places):
        keys |= (hashes[:, place // 8] >> (7 - place % 8) & 1).astype(np.int64) << number
    return keys


def _words(hashes: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(hashes).view(np.uint64)
