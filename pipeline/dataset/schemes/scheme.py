"""What every crop scheme can say of itself: where its crops lie, how many there are, how it is named and asked for."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import ClassVar, NamedTuple, Self

Box = tuple[float, float, float, float]  # left, top, right, bottom in pixels of the upright painting


class Flag(NamedTuple):
    """A flag of pipeline.build whose value is a whole number."""

    name: str
    metavar: str
    help: str


@dataclass(frozen=True, slots=True)
class Scheme(ABC):
    """How a painting becomes records: square pictures of one size.

    Attributes:
      size: side of the square, in pixels.
    """

    size: int

    kind: ClassVar[str]
    pattern: ClassVar[str]  # of its names, a regular expression with groups named as its fields
    flags: ClassVar[tuple[Flag, ...]]  # that ask for it, in the order in which they are given, one a field
    shows_parts: ClassVar[bool]  # windows at the painting's own resolution; else the whole painting, squashed

    def __post_init__(self) -> None:
        if not 8 <= self.size <= 4096:
            raise ValueError(f"Expected a size of 8 to 4096 pixels. Received {self.size}.")

    @property
    @abstractmethod
    def name(self) -> str:
        """For example "crop64x16"; also the dataset's folder and TFDS name. `pattern` matches it."""

    @property
    @abstractmethod
    def description(self) -> str:
        """The records in words."""

    @abstractmethod
    def places(self, width: int, height: int, seed: int, digest: str) -> list[Box]:
        """Where the crops of a painting lie.

        Args:
          width, height: of the upright painting, in pixels.
          seed: the dataset's.
          digest: hex SHA-256 of the painting's file.

        Returns:
          `count(width, height)` boxes inside the painting: of `size` x `size` pixels where the painting is that large,
          else squares of its shorter side; or the whole painting, where `shows_parts` is False.
        """

    @abstractmethod
    def count(self, width: int, height: int) -> int:
        """How many records a painting of that size gives."""

    @property
    def per_painting(self) -> int | None:
        """Records of every painting; None where that depends on its size."""
        return None

    @property
    def resolution(self) -> int | None:
        """Pixels that both sides of a painting must keep when it is decoded; None for its full resolution."""
        return None if self.shows_parts else self.size

    def is_enlarged(self, width: int, height: int) -> bool:
        """Whether a painting of that size is smaller than the square in either side."""
        return min(width, height) < self.size

    @property
    def command(self) -> tuple[str, ...]:
        """The flags of pipeline.build that ask for it, such as ("--crop=64", "--samples=16")."""
        values = (getattr(self, field.name) for field in fields(self))
        return tuple(f"--{flag.name}={value}" for flag, value in zip(self.flags, values, strict=True))

    @classmethod
    def from_groups(cls, groups: Mapping[str, str]) -> Self:
        """The scheme of what `pattern` has matched. Raises ValueError where a number is out of bounds."""
        return cls(**{field.name: int(groups[field.name]) for field in fields(cls)})

    @classmethod
    def match(cls, name: str) -> Self | None:
        """The scheme of that name; None where it is no name of this kind. Raises ValueError as `from_groups`."""
        found = re.fullmatch(cls.pattern, name)
        return cls.from_groups(found.groupdict()) if found else None
