"""How a painting becomes records: the crop schemes, by name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

_SCHEME_NAME = re.compile(r"(?:crop(?P<crop>\d+)x(?P<samples>\d+)|reshape(?P<reshape>\d+))")


@dataclass(frozen=True, slots=True, order=True)
class Scheme:
    """How a painting becomes records: `samples` square windows, or the whole painting squashed to a square.

    Attributes:
      kind: "crop" (windows at the painting's own resolution) or "reshape".
      size: side of the square, in pixels.
      samples: records per painting; 1 for "reshape".
    """

    kind: Literal["crop", "reshape"]
    size: int
    samples: int = 1

    def __post_init__(self) -> None:
        if not 8 <= self.size <= 4096:
            raise ValueError(f"Expected a size of 8 to 4096 pixels. Received {self.size}.")
        if not 1 <= self.samples <= 1024:
            raise ValueError(f"Expected 1 to 1024 samples per painting. Received {self.samples}.")
        if self.kind == "reshape" and self.samples != 1:
            raise ValueError(f"A reshaped painting gives one record. Received samples={self.samples}.")

    @property
    def name(self) -> str:
        """For example "crop64x16" or "reshape256"; also the dataset's folder and TFDS name."""
        return f"reshape{self.size}" if self.kind == "reshape" else f"crop{self.size}x{self.samples}"

    @classmethod
    def parse(cls, name: str) -> Scheme:
        """The scheme of that name. Raises ValueError for any other string."""
        match = _SCHEME_NAME.fullmatch(name)
        if not match:
            raise ValueError(f"Expected a scheme such as crop64x16 or reshape256. Received {name!r}.")
        if match["reshape"]:
            return cls("reshape", int(match["reshape"]))
        return cls("crop", int(match["crop"]), int(match["samples"]))
