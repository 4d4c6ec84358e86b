"""What one phase of a build hands to the next, through files of a scratch folder: plain data, a line for each painting.

No pickle: what is read can only be what the types say, whoever else may write into the folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.dataset.contract import Artist
from pipeline.dataset.rejects import Reject
from pipeline.dataset.schemes import BY_NAME
from pipeline.gallery.find import Candidate, Gallery
from pipeline.plan.work import Plan
from pipeline.shards import Target
from pipeline.storage import files, plain

_GALLERY, _CANDIDATES, _UNLISTED = "gallery.json", "candidates.jsonl", "unlisted.jsonl"
_PLAN, _REJECTS = "plan.json", "rejects.jsonl"


@dataclass(frozen=True, slots=True)
class Decided:
    """What a build has decided to write.

    Attributes:
      plan: of the paintings.
      targets: the datasets.
      abouts: how each is built, for people.
      rejects: of listing, survey and plan.
    """

    plan: Plan
    targets: tuple[Target, ...]
    abouts: tuple[dict[str, Any], ...]
    rejects: tuple[Reject, ...]


@dataclass(frozen=True, slots=True)
class _About:
    """What is known of a gallery beside its files; see `Gallery`."""

    root: str
    layout: str
    artists: tuple[Artist, ...]
    notes: tuple[str, ...]
    gives_splits: bool


def write_gallery(scratch: Path, gallery: Gallery) -> None:
    """Hands a gallery over."""
    plain.write_lines(str(scratch / _CANDIDATES), gallery.candidates)
    plain.write_lines(str(scratch / _UNLISTED), gallery.rejects)
    about = _About(gallery.root, gallery.layout, gallery.artists, gallery.notes, gallery.gives_splits)
    files.write(scratch / _GALLERY, [plain.to_json(about)])


def read_gallery(scratch: Path) -> Gallery:
    """The gallery that was handed over, without its candidates."""
    about = plain.from_json(_About, (scratch / _GALLERY).read_bytes())
    rejects = tuple(plain.read_lines(str(scratch / _UNLISTED), Reject))
    return Gallery(about.root, about.layout, (), rejects, about.artists, about.notes, about.gives_splits)


def read_candidates(scratch: Path) -> Iterator[Candidate]:
    """The candidates of the gallery that was handed over, one in memory at a time."""
    return plain.read_lines(str(scratch / _CANDIDATES), Candidate)


def write_plan(scratch: Path, decided: Decided) -> None:
    """Hands over what was decided; the plan's paintings lie in files of their own."""
    plain.write_lines(str(scratch / _REJECTS), decided.rejects)
    files.write(scratch / _PLAN, [plain.to_json(replace(decided, rejects=()), BY_NAME)])


def read_plan(scratch: Path) -> Decided:
    """What was decided and handed over."""
    return replace(
        plain.from_json(Decided, (scratch / _PLAN).read_bytes(), BY_NAME),
        rejects=tuple(plain.read_lines(str(scratch / _REJECTS), Reject)),
    )
