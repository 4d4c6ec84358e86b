"""crop64x16: sixteen windows of 64 x 64 pixels, spread over the painting, at its own resolution."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import ClassVar, Literal

from pipeline.dataset.schemes.scheme import Box, Flag, Scheme

# Steps of the R2 sequence as fractions of 2**64: 1/g and 1/g**2 for g**3 = g + 1.
# https://extremelearning.com.au/unreasonable-effectiveness-of-quasirandom-sequences/
_STEPS = (0xC13FA9A902A6328F, 0x91E10DA5C79E7B1C)
_ONE = 1 << 64


@dataclass(frozen=True, slots=True)
class Crops(Scheme):
    """`samples` windows of `size` x `size` pixels of every painting."""

    samples: int = 1

    kind: ClassVar[Literal["crop"]] = "crop"
    pattern: ClassVar[str] = r"crop(?P<size>\d+)x(?P<samples>\d+)"
    flags: ClassVar[tuple[Flag, ...]] = (
        Flag("crop", "N", "windows of N x N pixels; then --samples"),
        Flag("samples", "K", "K windows of every painting"),
    )
    shows_parts: ClassVar[bool] = True

    def __post_init__(self) -> None:
        Scheme.__post_init__(self)
        if not 1 <= self.samples <= 1024:
            raise ValueError(f"Expected 1 to 1024 samples per painting. Received {self.samples}.")

    @property
    def name(self) -> str:
        """For example "crop64x16"."""
        return f"crop{self.size}x{self.samples}"

    @property
    def description(self) -> str:
        """In words."""
        many = "one window" if self.samples == 1 else f"{self.samples} windows"
        return f"{many} of {self.size} × {self.size} pixels from each painting, at the painting’s own resolution"

    @property
    def per_painting(self) -> int:
        """As many as are asked for."""
        return self.samples

    def count(self, width: int, height: int) -> int:
        """The same for every painting."""
        return self.samples

    def places(self, width: int, height: int, seed: int, digest: str) -> list[Box]:
        """Windows along a sequence that spreads over the painting, from a start hashed from (seed, digest, name).

        Each lies anywhere with equal probability, but they overlap less than independent ones. No window is taken
        twice while the painting has another. In a painting smaller than the window, the window is its shorter side.
        """
        side = min(self.size, width, height)
        columns, rows = width - side + 1, height - side + 1
        start = hashlib.blake2b(f"{seed}/{digest}/{self.name}".encode(), digest_size=16).digest()
        x, y = int.from_bytes(start[:8], "big"), int.from_bytes(start[8:], "big")
        boxes: list[Box] = []
        taken: set[tuple[int, int]] = set()
        while len(boxes) < self.samples:
            left, top = x * columns >> 64, y * rows >> 64  # integers only: the same on every machine
            x, y = (x + _STEPS[0]) % _ONE, (y + _STEPS[1]) % _ONE
            if (left, top) in taken:
                continue
            boxes.append((float(left), float(top), float(left + side), float(top + side)))
            taken.add((left, top))
            if len(taken) == columns * rows:
                taken.clear()
        return boxes
