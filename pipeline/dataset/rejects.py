"""What could not be used of a gallery, and why: the rejects, their reasons, and their table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reject:
    """A file or folder that cannot be used. `reason` is one of a few; `detail` is for a person."""

    path: str
    artist: str
    reason: str
    detail: str
