"""Bytes -> a safe RGB image; a painting -> its crops.

`decode` opens whatever a folder of paintings may hold, by content and never by extension, and gives an upright sRGB
picture; every fault becomes an `ImageError` with a short reason.

Build workers load this module: it imports neither TensorFlow nor SciPy.
"""

from __future__ import annotations

import functools
import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import simplejpeg
from PIL import Image, ImageFile, JpegImagePlugin
from PIL.ExifTags import Base as ExifTag

from pipeline.dataset.rejects import (
    ABSURD_DIMENSIONS,
    DAMAGED,
    EMPTY,
    NOT_AN_IMAGE,
    OUT_OF_MEMORY,
    TOO_MANY_PIXELS,
    TRUNCATED,
    UNSUPPORTED,
)
from pipeline.pictures import colour, containers, formats
from pipeline.pictures.fault import ImageError
from pipeline.pictures.limits import DEFAULT_MAX_PIXELS, MAX_ASPECT, MIN_SIDE

warnings.filterwarnings("ignore", module=r"PIL\.")  # of metadata that it passes over; they name no file

# What turns the rows of a picture of that EXIF orientation upright (Exif 2.32, tag 0x0112); all are views, no copies.
_TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: np.fliplr,
    3: lambda rows: np.rot90(rows, 2),
    4: np.flipud,
    5: lambda rows: rows.swapaxes(0, 1),
    6: lambda rows: np.rot90(rows, -1),
    7: lambda rows: np.rot90(rows, 2).swapaxes(0, 1),
    8: np.rot90,
}
_FIRST_LYING = 5  # this orientation and those after it exchange width and height
_STRIP = 256  # rows copied at once from Pillow's four bytes a pixel to our three


@dataclass(frozen=True)
class Painting:
    """A decoded picture.

    Attributes:
      pixels: uint8[height, width, 3], upright, sRGB; smaller where `decode` was allowed to scale. It may be a view. Of
        a picture that was asked for in gray, uint8[height, width]: its luma (ITU-R BT.601).
      width, height: of the upright picture at full resolution, in pixels.
    """

    pixels: np.ndarray
    width: int
    height: int

    @functools.cached_property
    def image(self) -> Image.Image:
        """The pixels as Pillow's RGB or L: a copy that costs as much as a quarter of decoding. Crops do without."""
        return Image.fromarray(self.pixels)


def decode(
    data: bytes, *, max_pixels: int = DEFAULT_MAX_PIXELS, at_least: int | None = None, gray: bool = False
) -> Painting:
    """Decodes a file of a format that `formats` knows: its first frame, upright, in sRGB, on white.

    Size is judged from the header, before any pixel is decoded. A JPEG of everyday colours goes to libjpeg-turbo
    directly, which takes five sixths of the time that Pillow's `load` takes around the same library.

    Args:
      data: the whole file.
      max_pixels: larger pictures are refused.
      at_least: a JPEG may be decoded at 1/2, 1/4 or 1/8 of its size as long as both sides keep this many pixels.
      gray: luma is enough, which a JPEG holds apart from colour.

    Raises:
      ImageError: whatever is wrong with `data`.
    """
    try:
        return _decode(data, max_pixels, at_least, gray)
    except ImageError as fault:
        # Only a file that cannot be read as it is is looked at again: a sound one pays nothing.
        if fault.reason in (TRUNCATED, DAMAGED) and (repaired := containers.repaired(data)):
            return _decode(repaired, max_pixels, at_least, gray)
        raise


def _decode(data: bytes, max_pixels: int, at_least: int | None, gray: bool) -> Painting:
    image = _open(data)
    width, height = image.size
    _check_size(width, height, max_pixels)
    if refusal := containers.refuse(data, image, max_pixels):
        raise ImageError(*refusal)
    try:
        pixels = _decode_jpeg(data, image, at_least, gray)
        if pixels is None:
            if at_least is not None:
                image.draft(None, (at_least, at_least))
            image.load()
            rgb = colour.to_rgb(image)
            pixels = np.asarray(rgb.convert("L")) if gray else _pixels(rgb)
        orientation = _orientation(image)  # a PNG's may stand behind its pixels
    except Exception as error:
        raise _explain(error, data) from error
    if turn := _TURNS.get(orientation):
        pixels = turn(pixels)
    if orientation >= _FIRST_LYING:
        width, height = height, width
    return Painting(pixels, width, height)


def _scale(width: int, height: int, at_least: int | None) -> int:
    """Of 1, 2, 4 and 8 the largest by which a JPEG's sides may be divided."""
    if at_least is None:
        return 1
    return next(scale for scale in (8, 4, 2, 1) if scale == 1 or min(width, height) // scale >= at_least)


def _decode_jpeg(data: bytes, image: ImageFile.ImageFile, at_least: int | None, gray: bool) -> np.ndarray | None:
    """The pixels of a sound gray or RGB JPEG that is in sRGB; None for any other file: it is Pillow's to judge."""
    if not isinstance(image, JpegImagePlugin.JpegImageFile) or not colour.is_srgb(image):
        return None
    width, height = image.size
    scale = _scale(width, height, at_least)
    try:
        if simplejpeg.decode_jpeg_header(data)[:2] != (height, width):
            return None  # two headers: the limit on pixels was held against the other one
        pixels = simplejpeg.decode_jpeg(
            data, "GRAY" if gray else "RGB", min_height=-(-height // scale), min_width=-(-width // scale)
        )
        return np.asarray(pixels[:, :, 0] if gray else pixels)
    except ValueError:
        return None


def _pixels(image: Image.Image) -> np.ndarray:
    """uint8[height, width, 3] of an RGB picture, which is copied strip by strip: at once it would be there thrice."""
    width, height = image.size
    pixels = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, _STRIP):
        bottom = min(top + _STRIP, height)
        pixels[top:bottom] = np.asarray(image.crop((0, top, width, bottom)))
    return pixels


def _open(data: bytes) -> ImageFile.ImageFile:
    """Reads the header. Raises ImageError."""
    if not data:
        raise ImageError(EMPTY, "the file has no bytes")
    start = data[: formats.START]
    try:
        opener = formats.opener(start)
    except formats.MissingReaderError as error:
        raise ImageError(UNSUPPORTED, str(error)) from error
    if opener:
        stream = io.BytesIO(data)
        try:
            return opener(stream, "")
        except Exception as error:  # see _explain
            raise _explain(error, data, at_end=stream.tell() >= len(data)) from error
    if name := formats.unreadable(start):
        raise ImageError(UNSUPPORTED, f"{name}; convert it to JPEG, PNG or TIFF")
    raise ImageError(NOT_AN_IMAGE, f"the file begins with {start!r}")


def _explain(error: Exception, data: bytes, at_end: bool = False) -> ImageError:
    """The ImageError for a fault of Pillow.

    On damaged bytes Pillow raises whatever its parsers stumble over (OSError, SyntaxError, ValueError, struct.error,
    zlib.error, IndexError, KeyError, TypeError, OverflowError, EOFError ...), hence `except Exception` above.
    """
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if isinstance(error, MemoryError):
        return ImageError(OUT_OF_MEMORY, f"decoding {len(data):,} bytes asked for more memory than there is")
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return ImageError(TOO_MANY_PIXELS, text)
    if at_end or "truncated" in text.lower():
        return ImageError(TRUNCATED, f"the file ends too early, after {len(data):,} bytes ({text})")
    if any(phrase in text.lower() for phrase in ("unsupported", "unknown pixel mode", "not supported")):
        return ImageError(UNSUPPORTED, text)
    return ImageError(DAMAGED, text)


def _check_size(width: int, height: int, max_pixels: int) -> None:
    """Raises ImageError for a size that no painting has or that would not fit in memory."""
    if width * height > max_pixels:
        raise ImageError(
            TOO_MANY_PIXELS, f"{width} x {height} is {width * height:,} pixels; the limit is {max_pixels:,}"
        )
    if min(width, height) < MIN_SIDE:
        raise ImageError(ABSURD_DIMENSIONS, f"{width} x {height}; a side has at least {MIN_SIDE} pixels")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise ImageError(ABSURD_DIMENSIONS, f"{width} x {height} is longer than 1:{MAX_ASPECT}")


def _orientation(image: Image.Image) -> int:
    """EXIF orientation 1..8; 1 where it is missing, broken or another number: the picture itself may be sound."""
    try:
        orientation = int(image.getexif().get(ExifTag.Orientation, 1))
    except Exception:  # Pillow's EXIF parser fails in as many ways as its image parsers
        return 1
    return orientation if orientation in _TURNS else 1


def scales_down(data: bytes, width: int, height: int, at_least: int) -> bool:
    """Whether `decode` with that `at_least` gives a picture of that size smaller than full resolution."""
    return JpegImagePlugin._accept(data[:16]) and _scale(width, height, at_least) > 1
