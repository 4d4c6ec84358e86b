"""Which paintings are near copies of each other? Links between paintings, by their hashes and second looks.

Three kinds of copies are looked for: of the whole picture, of it mirrored, and with its edges cut off or framed. Up to
EXACT_UP_TO paintings all are compared with all. Above, the whole pictures still are, which takes long without faiss;
for the other kinds, and for all kinds above ALL_PAIRS_UP_TO, LSH names the pairs to compare (Indyk and Motwani,
"Approximate nearest neighbors", 1998): TABLES times, hashes that agree in KEY_BITS bits chosen by chance. Of pairs so
many bits apart it finds 1.00 (up to 32), 0.93 (48) and 0.43 (64).
"""

from __future__ import annotations

import functools
import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.pictures.likeness import compare_looks, mirrored
from pipeline.plan.order import keyed_order

# Of 1,227 real paintings and of altered copies of a fourth of them; see docs/EXPERIMENTS.md.
SURE_BITS = 32  # of 256 in which hashes of copies may differ
NEAR_BITS = 64  # the same, if a second look agrees
INNER_BITS = 48  # between the whole of one picture and the inner part of another
LEAST_LIKE = 0.45  # correlation of second looks that agree

EXACT_UP_TO = 100_000
ALL_PAIRS_UP_TO = 10_000_000
BLOCK = 2**16  # hashes compared with as many others at once by faiss
TILE = 2**11  # the same without it
TABLES, KEY_BITS = 128, 18
_PAIRS_A_SECOND = 7.8e7  # without faiss, by one core
_AT_ONCE = 2**20  # pairs whose distance is taken at once

WHOLE, MIRRORED, INNER = "whole", "mirrored", "inner"
Pairs = tuple[np.ndarray, np.ndarray, np.ndarray]  # int64[k] rows of one, int64[k] rows of the other, int64[k] bits


@dataclass(frozen=True, slots=True)
class Link:
    """Two paintings that are near copies, by their rows, and how many bits apart; the lower row is first."""

    one: int
    other: int
    bits: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """Two paintings that may be near copies. `kind`: WHOLE, MIRRORED or INNER."""

    one: int
    other: int
    bits: int
    kind: str

    @property
    def doubtful(self) -> bool:
        """Whether a second look is to decide."""
        return self.kind != INNER and self.bits > SURE_BITS


def find_candidates(hashes: np.ndarray, inner: np.ndarray) -> Iterator[Candidate]:
    """Yields pairs of rows that may be near copies, more than once perhaps; of rows with one hash, of the first alone.

    Args:
      hashes, inner: uint8[n, 32], of whole pictures and of their inner parts.
    """
    first = np.flatnonzero(first_of_same(hashes) == np.arange(len(hashes)))
    hashes, inner = hashes[first], inner[first]
    searches: list[tuple[str, np.ndarray, int]] = [
        (WHOLE, hashes, NEAR_BITS),
        (MIRRORED, mirrored(hashes), NEAR_BITS),
        (INNER, inner, INNER_BITS),
    ]
    for kind, others, bits in searches:
        for ones, twos, distances in _search(hashes, others, bits, kind):
            apart = ones != twos
            low, high = np.minimum(ones, twos)[apart], np.maximum(ones, twos)[apart]
            for one, other, distance in zip(first[low], first[high], distances[apart], strict=True):
                yield Candidate(int(one), int(other), int(distance), kind)


def confirm(candidates: Iterable[Candidate], looks: Mapping[int, np.ndarray]) -> list[Link]:
    """The links among candidates, each once, by rows.

    Args:
      candidates: in any order.
      looks: row -> second look, of the rows of doubtful candidates.
    """
    least: dict[tuple[int, int], int] = {}
    for pair in candidates:
        if not pair.doubtful or _agree(pair, looks):
            rows = pair.one, pair.other
            least[rows] = min(least.get(rows, pair.bits), pair.bits)
    return [Link(*rows, bits) for rows, bits in sorted(least.items())]


def _agree(pair: Candidate, looks: Mapping[int, np.ndarray]) -> bool:
    return compare_looks(looks[pair.one], looks[pair.other], pair.kind == MIRRORED) >= LEAST_LIKE


def star_groups(links: Iterable[Link]) -> tuple[dict[int, int], list[Link]]:
    """Groups whose members are all near their centre, so that none grows by chains.

    The painting with most links to paintings without a group is the next centre. Then each painting that is no centre
    goes to the nearest centre it has a link to.

    Returns:
      row -> row of its group's centre, of all rows that have links; and the links that lead from group to group.
    """
    every = list(links)
    near: dict[int, dict[int, int]] = {}
    for link in every:
        near.setdefault(link.one, {})[link.other] = link.bits
        near.setdefault(link.other, {})[link.one] = link.bits
    centre: dict[int, int] = {}
    waiting = [(-len(others), row) for row, others in near.items()]
    heapq.heapify(waiting)
    while waiting:
        promised, row = heapq.heappop(waiting)
        if row in centre:
            continue
        free = [other for other in near[row] if other not in centre]
        if len(free) < -promised:  # others have been taken since
            heapq.heappush(waiting, (-len(free), row))
            continue
        centre |= dict.fromkeys((row, *free), row)
    centres = set(centre.values())
    for row, own in list(centre.items()):
        if row not in centres:
            centre[row] = min((bits, other != own, other) for other, bits in near[row].items() if other in centres)[2]
    return centre, [link for link in every if centre[link.one] != centre[link.other]]


def first_of_same(hashes: np.ndarray) -> np.ndarray:
    """int64[n]: for each row of uint8[n, bytes], the first row that is the same."""
    _, first, which = np.unique(hashes, axis=0, return_index=True, return_inverse=True)
    return np.asarray(first[which.ravel()])


def add_same(centres: Mapping[int, int], hashes: np.ndarray) -> dict[int, int]:
    """Row -> row of its group's centre, also of rows that have the hash of another, which are in that one's group."""
    first = first_of_same(hashes)
    every = dict(centres)
    for row in np.flatnonzero(first != np.arange(len(first))).tolist():
        every[row] = every.setdefault(int(first[row]), int(first[row]))
    return every


# --- Searches --------------------------------------------------------------------------------------------------------


def _search(hashes: np.ndarray, others: np.ndarray, bits: int, kind: str) -> Iterator[Pairs]:
    """Pairs of (row of hashes, row of others), at least once in one of both orders."""
    faiss = load_faiss()
    if len(hashes) > ALL_PAIRS_UP_TO or (len(hashes) > EXACT_UP_TO and kind != WHOLE):
        yield from lsh_pairs(hashes, others, bits)
        return
    within, block = (functools.partial(_within_by_faiss, faiss), BLOCK) if faiss else (_within, TILE)
    for top in range(0, len(hashes), block):
        for left in range(0 if kind == INNER else top, len(hashes), block):
            ones, twos, distances = within(hashes[top : top + block], others[left : left + block], bits)
            yield ones + top, twos + left, distances


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


def _within(hashes: np.ndarray, others: np.ndarray, bits: int) -> Pairs:
    """Pairs at most so many bits apart: with bits as -1 and 1, a product of hashes is their length less twice that."""
    length = hashes.shape[1] * 8
    product = _signs(hashes) @ _signs(others).T
    ones, twos = np.nonzero(product >= length - 2 * bits)
    return ones, twos, ((length - product[ones, twos]) / 2).astype(np.int64)


def _signs(hashes: np.ndarray) -> np.ndarray:
    """uint8[n, bytes] -> float32[n, bits] of -1 and 1."""
    return np.unpackbits(hashes, axis=1).astype(np.float32) * 2 - 1


def _within_by_faiss(faiss: Any, hashes: np.ndarray, others: np.ndarray, bits: int) -> Pairs:
    """The same, eight times as fast."""
    index = faiss.IndexBinaryFlat(hashes.shape[1] * 8)
    index.add(np.ascontiguousarray(others))
    limits, distances, twos = index.range_search(np.ascontiguousarray(hashes), bits + 1)  # less than, it means
    ones = np.repeat(np.arange(len(hashes)), np.diff(limits.astype(np.int64)))
    return ones, twos.astype(np.int64), distances.astype(np.int64)


def lsh_pairs(hashes: np.ndarray, others: np.ndarray, bits: int) -> Iterator[Pairs]:
    """Pairs at most so many bits apart, most of them: those that agree in all bits of a key, of TABLES keys."""
    for table in range(TABLES):
        keys = lsh_keys(others, table)
        order = np.argsort(keys, kind="stable")
        counts = np.bincount(keys, minlength=2**KEY_BITS)
        stops = np.cumsum(counts)
        asked = lsh_keys(hashes, table)
        ends = np.cumsum(counts[asked])
        for first in range(0, int(ends[-1]) if len(ends) else 0, _AT_ONCE):
            number = np.arange(first, min(first + _AT_ONCE, int(ends[-1])))
            ones = np.searchsorted(ends, number, "right")
            twos = order[stops[asked[ones]] - (ends[ones] - number)]
            distances = np.bitwise_count(_words(hashes[ones]) ^ _words(others[twos])).sum(axis=1, dtype=np.int64)
            close = distances <= bits
            yield ones[close], twos[close], distances[close]


def lsh_keys(hashes: np.ndarray, table: int) -> np.ndarray:
    """int64[n]: the bits of uint8[n, bytes] that a table looks at, which are the same on any machine."""
    places = sorted(range(hashes.shape[1] * 8), key=lambda bit: keyed_order(table, str(bit)))[:KEY_BITS]
    keys = np.zeros(len(hashes), np.int64)
    for number, place in enumerate(places):
        keys |= (hashes[:, place // 8] >> (7 - place % 8) & 1).astype(np.int64) << number
    return keys


def _words(hashes: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(hashes).view(np.uint64)
