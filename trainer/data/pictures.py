"""Pictures of records -> what a network is handed: uint8 at the side it asks for, cut and resized on the host.

Resizing is bilinear, as for most networks of keras.applications and torchvision that were trained on ImageNet. So that
nothing finer than the result can show makes moiré, a JPEG is first decoded at the smallest scale that is large enough,
which leaves bilinear resizing little to shrink; other pictures that shrink by more are averaged over areas.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from pipeline.dataset.contract import Contract
from pipeline.dataset.pixels import decode_pixels

cv2.setNumThreads(1)  # pictures are worked on side by side already

Stored = bytes | np.ndarray
"""What a record holds; or uint8[height, width, 3], a window that was cut from it."""

_MOST_BILINEAR = 4 / 3  # of shrinking: beyond it, bilinear resizing would pass over pixels


def fill_pictures(
    out: np.ndarray, stored: Sequence[Stored], contract: Contract, windows: np.ndarray | None = None
) -> None:
    """Decodes, cuts and resizes.

    Args:
      out: uint8[count, side, side, 3], to be filled.
      stored: of each record.
      contract: of the dataset.
      windows: int64[count, 4], left, top, right and bottom of the part of each picture that is wanted; None for all.

    Raises:
      UndecodableError: a picture is damaged.
    """
    side, size = out.shape[1], contract.scheme.size
    for at, each in enumerate(stored):
        if isinstance(each, np.ndarray):
            resize(each, out[at])
            continue
        left, top, right, bottom = windows[at].tolist() if windows is not None else (0, 0, size, size)
        pixels = decode_pixels(each, contract, min(1.0, side / min(right - left, bottom - top)))
        scale = pixels.shape[0] / size
        rows, columns = (_scaled(*ends, scale) for ends in ((top, bottom), (left, right)))
        resize(pixels[rows, columns], out[at])


def make_pictures(stored: Sequence[bytes], contract: Contract, side: int | None = None) -> np.ndarray:
    """uint8[count, side, side, 3] of whole pictures; `side` None: as large as the dataset's."""
    side = side or contract.scheme.size
    out = np.empty((len(stored), side, side, 3), np.uint8)
    fill_pictures(out, stored, contract)
    return out


def resize(pixels: np.ndarray, out: np.ndarray) -> None:
    """Fills `out`, uint8[side, side, 3], with uint8[height, width, 3]."""
    if pixels.shape == out.shape:
        out[:] = pixels
        return
    shrinks = max(pixels.shape[0] / out.shape[0], pixels.shape[1] / out.shape[1])
    how = cv2.INTER_LINEAR if shrinks <= _MOST_BILINEAR else cv2.INTER_AREA
    cv2.resize(pixels, (out.shape[1], out.shape[0]), dst=out, interpolation=how)


def resize_all(pictures: np.ndarray, side: int) -> np.ndarray:
    """uint8[count, side, side, 3] of uint8[count, size, size, 3]."""
    if pictures.shape[1] == side:
        return pictures
    out = np.empty((len(pictures), side, side, 3), np.uint8)
    for picture, filled in zip(pictures, out, strict=True):
        resize(picture, filled)
    return out


def _scaled(start: int, end: int, scale: float) -> slice:
    """A stretch of pixels in a picture that was decoded smaller; at least one of them."""
    first = int(start * scale)
    return slice(first, max(first + 1, math.ceil(end * scale)))
