"""reshape256: the whole painting, squashed to 256 x 256 pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from pipeline.dataset.schemes.scheme import Box, Flag, Scheme


@dataclass(frozen=True, slots=True)
class Reshape(Scheme):
    """One record of `size` x `size` pixels for every painting, whatever its shape."""

    kind: ClassVar[Literal["reshape"]] = "reshape"
    pattern: ClassVar[str] = r"reshape(?P<size>\d+)"
    flags: ClassVar[tuple[Flag, ...]] = (Flag("reshape", "N", "the whole painting squashed to N x N"),)
    shows_parts: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """For example "reshape256"."""
        return f"reshape{self.size}"

    @property
    def description(self) -> str:
        """In words."""
        return f"the whole painting, squashed to {self.size} × {self.size} pixels"

    @property
    def per_painting(self) -> int:
        """One."""
        return 1

    def count(self, width: int, height: int) -> int:
        """One."""
        return 1

    def places(self, width: int, height: int, seed: int, digest: str) -> list[Box]:
        """The whole painting."""
        return [(0.0, 0.0, float(width), float(height))]
