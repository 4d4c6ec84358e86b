"""What could not be used of a gallery, and why: the rejects, their reasons, and rejects.csv, their table."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from typing import Final

from pipeline.storage import cells

REJECTS_FILE: Final = "rejects.csv"

# All reasons there are. Of files that cannot be read:
BROKEN_LINK: Final = "broken link"
LINK_LOOP: Final = "link loop"
UNREADABLE: Final = "unreadable"
NOT_REGULAR: Final = "not a regular file"
BAD_NAME: Final = "file name is not Unicode"
# of what a listing or a manifest says of them:
MISSING: Final = "missing file"
NO_ARTIST: Final = "no artist"
TWO_ARTISTS: Final = "two artists"
# of bytes that are no picture:
EMPTY: Final = "empty file"
NOT_AN_IMAGE: Final = "not an image"
UNSUPPORTED: Final = "unsupported format"
TRUNCATED: Final = "truncated"
DAMAGED: Final = "damaged"
TOO_MANY_PIXELS: Final = "too many pixels"
ABSURD_DIMENSIONS: Final = "absurd dimensions"
OUT_OF_MEMORY: Final = "out of memory"
TOOK_TOO_LONG: Final = "took too long"
TOO_MANY_BYTES: Final = "too many bytes"
# of pictures beside others, and of what happens while shards are written:
CONFLICT: Final = "same picture under two artists"
LEAK: Final = "copy in another split"
CHANGED: Final = "changed"


@dataclass(frozen=True, slots=True)
class Reject:
    """A file or folder that cannot be used. `reason` is one of those above; `detail` is for a person."""

    path: str
    artist: str
    reason: str
    detail: str


def by_reason(rejects: Iterable[Reject]) -> str:
    """For example "3 truncated, 1 not an image"."""
    counts = Counter(reject.reason for reject in rejects)
    return ", ".join(f"{count:,} {reason}" for reason, count in counts.most_common()) or "none"


def rejects_table(rejects: Sequence[Reject]) -> bytes:
    """The content of rejects.csv: sorted by path, a line each, its cells as `storage.cells` escapes them."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(field.name for field in fields(Reject))
    for reject in sorted(rejects, key=lambda reject: (reject.path, reject.reason)):
        table.writerow(map(cells.escape, astuple(reject)))
    return text.getvalue().encode()


def read_rejects(table: bytes) -> Iterator[Reject]:
    """The inverse of `rejects_table`, line by line."""
    for row in csv.DictReader(io.StringIO(table.decode(), newline="")):
        yield Reject(**{field.name: cells.unescape(row[field.name]) for field in fields(Reject)})
