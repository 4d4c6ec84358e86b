"""What does a file tell of the photograph rather than of the painting?

Who took a picture, and who compressed it, differs from collection to collection, and collections differ in painters. A
classifier may learn that. What it could learn so is kept for each painting, for `trainer.judging.photograph` to see how
far it goes.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from pipeline.pictures import formats

_EVEN = 3.0  # the most that the gray of a line may vary, as a standard deviation, for it to count as uniform


@dataclass(frozen=True, slots=True)
class Photograph:
    """Facts of a file.

    Attributes:
      compression: the sum of a JPEG's luminance quantisation table, the larger the coarser; 0 of another format.
      profile: whether it holds a colour profile.
      exif: whether it holds EXIF.
      gray: the mean of its luma, 0..255.
      border: how many of its four edges are uniform.
    """

    compression: int = 0
    profile: bool = False
    exif: bool = False
    gray: float = 0.0
    border: int = 0


def look(data: bytes, luma: np.ndarray) -> Photograph:
    """The facts of a file that has just been decoded.

    Args:
      data: the file.
      luma: uint8[height, width], its luma at whatever size.
    """
    image = _header(data)
    tables = getattr(image, "quantization", None) or {}
    info = image.info if image else {}
    edges = (luma[0], luma[-1], luma[:, 0], luma[:, -1])
    return Photograph(
        compression=int(sum(tables.get(0, ()))),
        profile=bool(info.get("icc_profile")),
        exif=bool(info.get("exif")),
        gray=round(float(luma.mean()), 1),
        border=sum(float(edge.std()) < _EVEN for edge in edges),
    )


def _header(data: bytes) -> Image.Image | None:
    """What Pillow makes of a file's header; None where it refuses a file that was decoded all the same, repaired."""
    try:
        opener = formats.opener(data[: formats.START])
        return opener(io.BytesIO(data), "") if opener else None
    except Exception:  # see decode: Pillow's parsers fail in as many ways as there are files
        return None
