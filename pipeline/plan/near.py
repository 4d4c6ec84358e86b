"""Which paintings are near copies, among pairs of alike hashes, and which groups they make."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from pipeline.pictures.likeness import compare_looks
from pipeline.plan.search import INNER, KINDS, MIRRORED

SURE_BITS = 32  # of 256 in which hashes of copies may differ; more, and a second look decides
LEAST_LIKE = 0.45  # correlation of second looks that agree; see docs/EXPERIMENTS.md
_AT_ONCE = 2**13  # pairs whose second looks are compared at once


@dataclass(frozen=True, slots=True)
class Link:
    """Two paintings that are near copies, by their rows, and how many bits apart; the lower row is first."""

    one: int
    other: int
    bits: int


@dataclass(frozen=True, slots=True)
class Looks:
    """Second looks of some rows: int64[n] in ascending order, and uint8[n, LOOK_BYTES]."""

    rows: np.ndarray
    packed: np.ndarray

    def of(self, rows: np.ndarray) -> np.ndarray:
        """uint8[k, LOOK_BYTES] of rows int64[k], which are all among them."""
        return np.asarray(self.packed[np.searchsorted(self.rows, rows)])


def is_doubtful(candidates: np.ndarray) -> np.ndarray:
    """bool[n]: of which candidates a second look is to decide."""
    _, _, kinds, bits = candidates.T
    return np.asarray((kinds != KINDS.index(INNER)) & (bits > SURE_BITS))


def doubtful_rows(candidates: np.ndarray) -> np.ndarray:
    """int64[n], ascending: the rows whose second looks decide on some candidates."""
    return np.unique(candidates[is_doubtful(candidates), :2])


def agree(candidates: np.ndarray, ones: np.ndarray, others: np.ndarray) -> np.ndarray:
    """bool[n]: of which candidates int64[n, 4] the second looks uint8[n, LOOK_BYTES] agree."""
    agreeing = np.zeros(len(candidates), bool)
    for first in range(0, len(candidates), _AT_ONCE):
        some = slice(first, first + _AT_ONCE)
        mirrored = candidates[some, 2] == KINDS.index(MIRRORED)
        for mirror in (False, True):
            places = first + np.flatnonzero(mirrored == mirror)
            agreeing[places] = compare_looks(ones[places], others[places], mirror) >= LEAST_LIKE
    return agreeing


def confirm(candidates: np.ndarray, looks: Looks) -> list[Link]:
    """The links among candidates, each once, by rows.

    Args:
      candidates: int64[n, 4]; see `search.find`.
      looks: of the `doubtful_rows`.
    """
    doubtful = is_doubtful(candidates)
    held = [candidates[~doubtful]]
    asked = candidates[doubtful]
    for first in range(0, len(asked), _AT_ONCE):
        some = asked[first : first + _AT_ONCE]
        held.append(some[agree(some, looks.of(some[:, 0]), looks.of(some[:, 1]))])
    least: dict[tuple[int, int], int] = {}
    for one, other, _, bits in np.concatenate(held).tolist():
        least[one, other] = min(least.get((one, other), bits), bits)
    return [Link(*rows, bits) for rows, bits in sorted(least.items())]


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


def add_same(centres: Mapping[int, int], same: np.ndarray) -> dict[int, int]:
    """Row -> row of its group's centre, also of rows that have the hash of another, which are in that one's group.

    `same`: int64[n, 2], of such rows: row, and the first row of that hash.
    """
    every = dict(centres)
    for row, first in same.tolist():
        every[row] = every.setdefault(first, first)
    return every
