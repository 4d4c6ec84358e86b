"""The pictures of a folder, told from its other files: one rule for building from a folder and for asking about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from pipeline.dataset.rejects import UNREADABLE
from pipeline.gallery import kinds, listing
from pipeline.storage import files
from pipeline.storage.many import Many, hold


class Sorted(NamedTuple):
    """The pictures of a listing, by path, and how many other files there are, by what they are."""

    pictures: Many[listing.File]
    others: Counter[str]


def sort_listing(root: str, found: listing.Listing, scratch: Path | None = None, known: Collection[str] = ()) -> Sorted:
    """Tells the pictures of a listing from its other files, looking at first bytes where names do not tell.

    Args:
      root: what was listed.
      found: what is there.
      scratch: a folder for the pictures; None to hold them in memory.
      known: other files that are not to be counted.
    """
    own = kinds.own_folders(file.path for file in found.files)
    others: Counter[str] = Counter()

    def start(path: str) -> bytes | None:
        return None if files.is_remote(root) else listing.read_start(f"{root}/{path}")

    def pictures() -> Iterator[listing.File]:
        for file in found.files:
            word = kinds.kind_of_other(file.path, own, start)
            if word is None:
                yield file
            elif file.path not in known:
                others[word] += 1

    return Sorted(hold(pictures(), listing.File, scratch / "pictures" if scratch else None), others)


def picture_faults(found: listing.Listing) -> list[listing.Fault]:
    """What of a listing cannot be read and may be a picture, or an artist's folder, by its name."""
    return [fault for fault in found.faults if fault.reason == UNREADABLE or _may_be_picture(fault.path)]


def _may_be_picture(path: str) -> bool:
    return kinds.has_picture_name(path) or (not kinds.extension(path) and not kinds.is_hidden(path))


def tally(counts: Counter[str]) -> str:
    """For example ".txt 3, hidden 1, without an extension 1": files by what they are, most first."""
    return ", ".join(
        f"{kind or 'without an extension'} {count:,}"
        for kind, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    )
