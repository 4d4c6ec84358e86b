"""What one phase of a build hands to the next, through files of a scratch folder: plain data, a line for each painting.

No pickle: what is read can only be what the types say, whoever else may write into the folder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.dataset.rejects import Reject
from pipeline.dataset.schemes import BY_NAME
from pipeline.gallery.find import Candidate, Gallery
from pipeline.plan import Plan, Work
from pipeline.shards import Target
from pipeline.storage import files, plain

_GALLERY, _CANDIDATES, _UNLISTED = "gallery.json", "candidates.jsonl", "unlisted.jsonl"
_PLAN, _WORKS, _REJECTS = "plan.json", "works.jsonl", "rejects.jsonl"


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
class _Head:
    """A `Decided` without its paintings and rejects; the last `conflicts` of the rejects are the plan's."""

    plan: Plan
    conflicts: int
    targets: tuple[Target, ...]
    abouts: tuple[dict[str, Any], ...]


def write_gallery(scratch: Path, gallery: Gallery) -> None:
    """Hands a gallery over."""
    plain.write_lines(str(scratch / _CANDIDATES), gallery.candidates)
    plain.write_lines(str(scratch / _UNLISTED), gallery.rejects)
    files.write(scratch / _GALLERY, [plain.to_json(replace(gallery, candidates=(), rejects=()))])


def read_gallery(scratch: Path) -> Gallery:
    """The gallery that was handed over."""
    return replace(
        plain.from_json(Gallery, (scratch / _GALLERY).read_bytes()),
        candidates=tuple(plain.read_lines(str(scratch / _CANDIDATES), Candidate)),
        rejects=tuple(plain.read_lines(str(scratch / _UNLISTED), Reject)),
    )


def write_plan(
    scratch: Path,
    plan: Plan,
    targets: Sequence[Target],
    abouts: Sequence[Mapping[str, Any]],
    rejects: Sequence[Reject],
) -> None:
    """Hands over what was decided; the plan's rejects are the last of `rejects`."""
    head = replace(plan, works=dict.fromkeys(plan.works, ()), rejects=())
    plain.write_lines(str(scratch / _WORKS), (work for works in plan.works.values() for work in works))
    plain.write_lines(str(scratch / _REJECTS), rejects)
    content = _Head(head, len(plan.rejects), tuple(targets), tuple(map(dict, abouts)))
    files.write(scratch / _PLAN, [plain.to_json(content, BY_NAME)])


def read_plan(scratch: Path) -> Decided:
    """What was decided and handed over."""
    head = plain.from_json(_Head, (scratch / _PLAN).read_bytes(), BY_NAME)
    rejects = tuple(plain.read_lines(str(scratch / _REJECTS), Reject))
    works: dict[str, list[Work]] = {split: [] for split in head.plan.works}
    for work in plain.read_lines(str(scratch / _WORKS), Work):
        works[work.split].append(work)
    plan = replace(
        head.plan,
        works={split: tuple(some) for split, some in works.items()},
        rejects=rejects[len(rejects) - head.conflicts :],
    )
    return Decided(plan, head.targets, head.abouts, rejects)
