"""grid64: as many windows of 64 x 64 pixels, side by side, as a painting holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from pipeline.dataset.schemes.scheme import Box, Flag, Scheme


@dataclass(frozen=True, slots=True)
class Grid(Scheme):
    """Windows of `size` x `size` pixels that do not overlap, centred as a whole; one at least."""

    kind: ClassVar[Literal["grid"]] = "grid"
    pattern: ClassVar[str] = r"grid(?P<size>\d+)"
    flags: ClassVar[tuple[Flag, ...]] = (
        Flag("grid", "N", "as many windows of N x N pixels, side by side, as the painting holds; at least one"),
    )
    shows_parts: ClassVar[bool] = True

    @property
    def name(self) -> str:
        """For example "grid64"."""
        return f"grid{self.size}"

    @property
    def description(self) -> str:
        """In words."""
        return f"as many windows of {self.size} × {self.size} pixels, side by side, as each painting holds"

    def count(self, width: int, height: int) -> int:
        """Columns times rows; one where the painting is smaller than a window."""
        return max(1, (width // self.size) * (height // self.size))

    def places(self, width: int, height: int, seed: int, digest: str) -> list[Box]:
        """Row by row. Of a painting smaller than a window, the square of its shorter side in its middle."""
        side = min(self.size, width, height)
        columns, rows = (width // side, height // side) if side == self.size else (1, 1)
        left, top = (width - columns * side) // 2, (height - rows * side) // 2
        return [
            (
                float(left + column * side),
                float(top + row * side),
                float(left + (column + 1) * side),
                float(top + (row + 1) * side),
            )
            for row in range(rows)
            for column in range(columns)
        ]
