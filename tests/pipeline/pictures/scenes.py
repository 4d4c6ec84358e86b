"""Pictures that the tests of this folder share."""

import io
import struct
import zlib

import numpy as np
from PIL import Image, ImageChops


def scene(width: int = 48, height: int = 32) -> Image.Image:
    """A smooth picture without symmetry, which JPEG keeps to a few levels."""
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    channels = (40 + 200 * x, 230 - 180 * y, 60 + 150 * x * y)
    return Image.fromarray(np.stack(channels, axis=-1).round().astype(np.uint8), "RGB")


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def largest_difference(one: Image.Image, other: Image.Image) -> int:
    assert (one.mode, one.size) == (other.mode, other.size)
    return max(ImageChops.difference(one, other).tobytes())


def png(width: int, height: int, depth: int, colour: int, rows: bytes) -> bytes:
    """A PNG of any bit depth, which Pillow cannot write."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            chunk(b"IDAT", zlib.compress(rows)),
            chunk(b"IEND", b""),
        )
    )
