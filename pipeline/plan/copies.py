"""Which of several files with the same bytes is kept, and which is nobody's painting."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Protocol

from pipeline.dataset.contract import SPLITS
from pipeline.dataset.rejects import CONFLICT, Reject
from pipeline.plan.work import Kept
from pipeline.survey import Row

DIGITS = 16  # of a digest that make a painting's id


def copies_key(row: Row) -> str:
    """Rows of one key are handed to `keep_first` together."""
    return row.digest[:DIGITS]


class File(Protocol):
    """A file that may be the first of its copies."""

    @property
    def path(self) -> str:
        """Where it lies."""

    @property
    def split(self) -> str:
        """The split that is given for it; "" where none is."""


def precedence(file: File, splits_given: bool) -> tuple[int, str]:
    """Of copies, the least is the first: by its path, and where splits are given the one nearest to testing."""
    return (-SPLITS.index(file.split) if splits_given else 0, file.path)


def keep_first(rows: Sequence[Row], drop: bool, splits_given: bool) -> Iterator[Kept | Reject]:
    """Decides for all rows of a key, which are in any order: those that are kept, and those that nobody can be given.

    Args:
      rows: of one key.
      drop: whether of exact copies the first alone is kept.
      splits_given: whether the rows have the splits that they are to stay in.
    """
    ordered = sorted(rows, key=lambda row: precedence(row, splits_given))
    artists: dict[str, set[str]] = {}
    for row in ordered:
        artists.setdefault(row.digest, set()).add(row.artist)
    taken: Counter[str] = Counter()  # by id
    first: dict[str, str] = {}
    for row in ordered:
        if drop and len(artists[row.digest]) > 1:
            others = ", ".join(sorted(artists[row.digest] - {row.artist}))
            yield Reject(row.path, row.artist, CONFLICT, f"also under {others}")
            continue
        if drop and row.digest in first:
            continue
        taken[row.digest[:DIGITS]] += 1
        number = taken[row.digest[:DIGITS]]
        painting_id = row.digest[:DIGITS] if number == 1 else f"{row.digest[:DIGITS]}-{number}"
        group = first.setdefault(row.digest, painting_id)
        same = [other.path for other in ordered if other.digest == row.digest]
        yield Kept(row, painting_id, group, tuple(same[1:]) if drop else (), drop or len(same) == 1)
