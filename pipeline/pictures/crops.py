"""A painting -> the crops of a scheme, and their bytes in a record.

Where crops lie is decided by the scheme, from sizes, seed and content.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

from pipeline.dataset.contract import Encoding
from pipeline.dataset.schemes import Box, Scheme
from pipeline.pictures.decode import Painting


@dataclass(frozen=True)
class Crop:
    """One record's picture.

    Attributes:
      index: 0 .. records of the painting - 1.
      box: left, top, right, bottom in pixels of the upright picture at full resolution.
      pixels: uint8[size, size, 3].
    """

    index: int
    box: Box
    pixels: np.ndarray


def cut(painting: Painting, scheme: Scheme, seed: int, digest: str) -> Iterator[Crop]:
    """The crops of a painting, at the places that the scheme gives.

    Raises:
      ValueError: windows are to be cut from a painting decoded below its full resolution.
    """
    size, full = scheme.size, (painting.width, painting.height)
    decoded = painting.pixels.shape[1::-1]
    if scheme.shows_parts and decoded != full:
        raise ValueError(f"Expected a painting of {full} pixels to crop from. Received one scaled to {decoded}.")
    for index, box in enumerate(scheme.places(*full, seed, digest)):
        if scheme.shows_parts:
            pixels = window(painting, box, size)
        else:
            pixels = np.asarray(painting.image.resize((size, size), Image.Resampling.HAMMING))
        yield Crop(index, box, pixels)


def window(painting: Painting, box: Box, size: int) -> np.ndarray:
    """uint8[size, size, 3]: a square window (left, top, right, bottom; whole pixels), enlarged where smaller."""
    left, top, right, bottom = map(int, box)
    if (right - left, bottom - top) == (size, size):
        return painting.pixels[top:bottom, left:right]
    # The same pixels as enlarging the whole painting and cropping then, in the memory of one window.
    return np.asarray(painting.image.resize((size, size), Image.Resampling.LANCZOS, box=box))


def encode(pixels: np.ndarray, encoding: Encoding) -> bytes:
    """The bytes of a record's `image` for uint8[height, width, 3]: row by row ("raw"), or a PNG or JPEG file.

    JPEG is quality 95 without chroma subsampling.
    """
    if encoding == "raw":
        # A window of a painting is strided, and numpy's tobytes copies such an array value by value: 25 times as slow.
        return np.ascontiguousarray(pixels).tobytes()
    stream = io.BytesIO()
    if encoding == "png":
        Image.fromarray(pixels).save(stream, "PNG")
    else:
        Image.fromarray(pixels).save(stream, "JPEG", quality=95, subsampling=0)
    return stream.getvalue()
