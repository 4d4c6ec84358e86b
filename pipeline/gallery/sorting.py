"""The pictures of a folder, told from its other files: one rule for building from a folder and for asking about it."""

from __future__ import annotations

from collections import Counter

from pipeline.dataset.rejects import UNREADABLE
from pipeline.gallery import kinds, listing
from pipeline.storage import files


def sort_listing(root: str, found: listing.Listing) -> kinds.Kinds:
    """Tells the pictures of a listing from its other files, looking at first bytes where names do not tell."""
    remote = files.is_remote(root)
    starts = {
        file.path: listing.read_start(f"{root}/{file.path}")
        for file in found.files
        if not remote and kinds.needs_look(file.path)
    }
    return kinds.sort_files((file.path for file in found.files), starts)


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
