"""What is planned, and by which rules: a painting kept, one in its place, and the plan of all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from pipeline.dataset.contract import Artist
from pipeline.pictures.photograph import Photograph
from pipeline.storage import plain
from pipeline.survey import Row

Dedup = Literal["near", "exact", "off"]


@dataclass(frozen=True, slots=True)
class Rules:
    """How a user wants paintings to be dealt.

    Attributes:
      ratios: shares of SPLITS, summing to 1; a share may be 0. None: each row has the split it is given, and of copies
        in several, those in the split nearest to testing are kept.
      seed: of splits, crop places and orders.
      dedup: "near" groups near copies and drops exact ones, "exact" drops exact ones, "off" keeps every file.
        Exact copies are never spread over splits.
    """

    ratios: tuple[float, ...] | None
    seed: int
    dedup: Dedup


@dataclass(frozen=True, slots=True)
class Kept:
    """A file that is to be a painting of the dataset.

    Attributes:
      row: of the survey.
      painting_id: 16 hex digits of the file's digest (plus -2, -3 ... for copies kept with dedup off).
      group: painting_id of the first of its exact copies, or, once that is known, of its near copies.
      copies: paths of exact copies that are left out.
      alone: whether it is its group's only one.
    """

    row: Row
    painting_id: str
    group: str
    copies: tuple[str, ...] = ()
    alone: bool = True


@dataclass(frozen=True, slots=True)
class Work:
    """A painting that goes into the dataset.

    Attributes:
      painting_id: as in `Kept`.
      path, artist, digest, width, height, bytes: of the file kept; digest is the hex SHA-256.
      label: index into the plan's artists.
      split: one of SPLITS.
      group: painting_id of the first of its near copies; its own where it has none.
      copies: paths of exact copies that were left out.
      photograph: what the file tells of itself.
    """

    painting_id: str
    path: str
    artist: str
    label: int
    split: str
    digest: str
    group: str
    copies: tuple[str, ...]
    width: int
    height: int
    bytes: int
    photograph: Photograph = Photograph()  # noqa: RUF009  # frozen


@dataclass(frozen=True, slots=True)
class Plan:
    """What a build will write, before anything is written.

    Attributes:
      artists: the labels, in label order: those with at least one painting, by name.
      seed: of splits, crop places and orders.
      counts: split -> how many paintings of each label it has.
      copies: how many exact copies are left out.
      near_paintings, near_groups: paintings that have near copies, and the groups that these make.
      cut_links: pairs of near copies that are in two groups, lest groups chain.
      cut_first: the paths of one such pair; none where there is no such pair.
      conflicts: how many files the plan leaves out.
      parts: split -> files of its paintings, in the order in which they lie on shards.
    """

    artists: tuple[Artist, ...]
    seed: int
    counts: Mapping[str, tuple[int, ...]]
    copies: int
    near_paintings: int
    near_groups: int
    cut_links: int
    cut_first: tuple[str, ...]
    conflicts: int
    parts: Mapping[str, tuple[str, ...]]

    def paintings(self, *splits: str) -> int:
        """How many there are in some splits; in all, where none is named."""
        return sum(sum(self.counts[split]) for split in splits or self.counts)

    def works(self, split: str) -> Iterator[Work]:
        """The paintings of a split, in order, one in memory at a time."""
        for part in self.parts[split]:
            yield from plain.read_lines(part, Work)
