"""What is kept of a picture to tell its copies by: a perceptual hash, the same of its inner part, and a second look.

Build workers load this module. Which pictures are copies by these is decided in `pipeline.plan`.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

import numpy as np
from PIL import Image

RESOLUTION = 128  # `at_least` of decode for a picture that is only looked at
MARGIN = 0.045  # of width and height, on either side, that the inner part lacks
HASH_BYTES = 32
LOOK_SHAPE = (2, 12, 12)  # gradients to the right and down, rows, columns
LOOK_BYTES = 144  # of a second look

_SIDE = 64  # pixels that the hash looks at
_WAVES = 16  # frequencies that it keeps, in either direction
# Rows of the DCT-II, as integers: their sums stay below 2^53, and so have no rounding, which could differ between
# machines, though BLAS adds them up as floating-point numbers in whatever order.
_DCT = np.rint(2**14 * np.cos(np.pi / (2 * _SIDE) * np.outer(np.arange(_WAVES), 2 * np.arange(_SIDE) + 1)))
_BLOCK = 5  # pixels a side that a gradient is between
_EDGE = 2  # pixels on either side of the hash's that no block covers
_LEVELS = 7
# Shares of the strongest gradient from which on a level counts: levels are even steps of the gradient to the power of
# 0.35, so that the drawing counts beside the strongest edges. 1, 0.5 and 0.7 were tried and tell less.
_STEPS = np.array([((level - 0.5) / _LEVELS) ** (1 / 0.35) for level in range(1, _LEVELS + 1)])


@dataclass(frozen=True, slots=True)
class Likeness:
    """Attributes:
    hash, inner: 64 hex digits each, of the whole picture and of it without MARGIN on every side.
    look: 144 bytes, as base64.
    """

    hash: str
    inner: str
    look: str


def likeness(image: Image.Image) -> Likeness:
    """What is kept of a picture."""
    gray = image.convert("L")
    width, height = gray.size
    whole = _shrink(gray)
    inner = _shrink(gray, (width * MARGIN, height * MARGIN, width * (1 - MARGIN), height * (1 - MARGIN)))
    return Likeness(_hash(whole), _hash(inner), _second_look(whole))


def perceptual_hash(image: Image.Image) -> str:
    """64 hex digits: which of a picture's 256 lowest frequencies, in gray, are stronger than their median.

    The hash of Zauner, "Implementation and benchmarking of perceptual image hash functions" (2010), as in
    `imagehash.phash(image, hash_size=16)`: bits may differ only where a frequency is as strong as the median. Without
    the SciPy that imagehash imports.
    """
    return _hash(_shrink(image.convert("L")))


def _shrink(gray: Image.Image, box: tuple[float, float, float, float] | None = None) -> np.ndarray:
    """A picture, or a part of it, as float64[_SIDE, _SIDE] of 0 to 255."""
    return np.asarray(gray.resize((_SIDE, _SIDE), Image.Resampling.LANCZOS, box), np.float64)


def _hash(pixels: np.ndarray) -> str:
    waves = _DCT @ pixels @ _DCT.T
    return np.packbits(waves > np.median(waves)).tobytes().hex()


def mirrored(hashes: np.ndarray) -> np.ndarray:
    """uint8[n, 32], the hashes of mirrored pictures up to a few bits: frequencies that are odd across change sign."""
    return hashes ^ _ODD


_ODD = np.packbits(np.tile(np.arange(_WAVES) % 2 == 1, (_WAVES, 1)))


def _second_look(pixels: np.ndarray) -> str:
    """Gradients between blocks of pixels, in 15 levels, two to a byte."""
    rows, columns = LOOK_SHAPE[1:]
    blocks = pixels[_EDGE:-_EDGE, _EDGE:-_EDGE].reshape(rows, _BLOCK, columns, _BLOCK).sum(axis=(1, 3))
    gradients = np.zeros(LOOK_SHAPE)
    gradients[0, :, :-1] = blocks[:, 1:] - blocks[:, :-1]
    gradients[1, :-1] = blocks[1:] - blocks[:-1]
    strength = np.abs(gradients)
    levels = np.searchsorted(_STEPS, strength / max(1.0, strength.max())) * np.sign(gradients) + _LEVELS
    flat = levels.astype(np.uint8).ravel()
    return base64.b64encode((flat[::2] << 4 | flat[1::2]).tobytes()).decode()


def read_look(look: str) -> np.ndarray:
    """A second look as it is compared: uint8[LOOK_BYTES]. Raises ValueError where it is none."""
    packed = np.frombuffer(base64.b64decode(look, validate=True), np.uint8)
    if packed.size != LOOK_BYTES:
        raise ValueError(f"a second look has {LOOK_BYTES} bytes, not {packed.size}")
    return packed


def compare_looks(ones: np.ndarray, others: np.ndarray, mirror: bool = False) -> np.ndarray:
    """How alike second looks are: float[n], the correlation of their gradients, -1 to 1.

    Args:
      ones, others: uint8[n, LOOK_BYTES].
      mirror: whether the former are to be mirrored first.
    """
    one, other = _gradients(ones), _gradients(others)
    if mirror:
        # A gradient to the right lies between a block and the next, so that mirrored it is its left neighbour's.
        right = -np.roll(one[:, 0, :, ::-1], -1, axis=-1)
        one = np.stack([right, one[:, 1, :, ::-1]], axis=1)
    places = (1, 2, 3)
    strength = np.sqrt((one**2).sum(places) * (other**2).sum(places))
    return np.asarray((one * other).sum(places) / np.maximum(1e-9, strength))


def _gradients(packed: np.ndarray) -> np.ndarray:
    """uint8[n, LOOK_BYTES] -> float32[n, *LOOK_SHAPE], -7 to 7."""
    levels = np.stack([packed >> 4, packed & 15], axis=-1).reshape(len(packed), *LOOK_SHAPE)
    return levels.astype(np.float32) - _LEVELS
