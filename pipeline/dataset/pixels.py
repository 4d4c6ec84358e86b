"""What a record holds as its `image` -> pixels. The one decoder, for training, evaluation, predictions and checks."""

from __future__ import annotations

import io

import numpy as np
import simplejpeg
from PIL import Image

from pipeline.dataset.contract import Contract

# Eighths of the full size at which libjpeg-turbo decodes a JPEG about as fast as whole, or faster. 7/8 takes 1.4 times
# as long.
_EIGHTHS = (1, 2, 3, 4, 5, 6)


class UndecodableError(ValueError):
    """A picture that no decoder can read to its end."""


def decode_pixels(image: bytes, contract: Contract, share: float = 1.0) -> np.ndarray:
    """Decodes a record's picture.

    A JPEG may be decoded smaller than it is, which leaves out its finest frequencies: nothing of them remains to make
    moiré. It is as much work as all of it or less.

    Args:
      image: as the record holds it; `records.picture_fault` finds no fault with it.
      contract: of its dataset.
      share: of its sides that is needed, 0..1: a JPEG comes in at least this share of them, anything else whole.

    Returns:
      uint8[side, side, 3], RGB.

    Raises:
      UndecodableError: it is damaged.
    """
    size = contract.scheme.size
    if contract.encoding == "raw":
        return np.frombuffer(image, np.uint8).reshape(size, size, 3)
    # At other scales, the last pixels of a row would reach beyond the picture.
    whole = (eighths for eighths in _EIGHTHS if size * eighths % 8 == 0)
    side = size * next((eighths for eighths in whole if eighths / 8 >= share), 8) // 8
    try:
        if contract.encoding == "jpeg":
            pixels: np.ndarray = simplejpeg.decode_jpeg(image, min_height=side, min_width=side)
            return pixels
        return np.asarray(Image.open(io.BytesIO(image), formats=["PNG"]).convert("RGB"))
    except Exception as error:  # decoders raise what they like
        raise UndecodableError(str(error)) from error
