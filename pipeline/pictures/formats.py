"""The picture formats that are read: by which class of Pillow or of a plugin, told by a file's first bytes.

Not Image.open: it would import thirty more parsers to try on untrusted bytes, and it has a pixel limit of its own that
only a global can change.
"""

from __future__ import annotations

import importlib
import io
from collections.abc import Callable
from typing import NamedTuple

from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

Opener = Callable[[io.BytesIO, str], ImageFile.ImageFile]  # reads the header and no pixels

START = 16  # bytes that tell a format


class MissingReaderError(Exception):
    """A format is known whose reader is not installed. Its text is for a person."""


class _Plugin(NamedTuple):
    """A rare format: its parser is imported when a file of it is met."""

    name: str
    module: str
    reader: str
    extra: str | None = None  # of this project, without which the module is not there

    def opener(self) -> Opener:
        try:
            opener: Opener = getattr(importlib.import_module(self.module), self.reader)
        except ImportError as error:
            how = f"pip install 'morelli[{self.extra}]'" if self.extra else "this Pillow was built without it"
            raise MissingReaderError(
                f"{self.name} cannot be read here ({how}); or convert it to JPEG, PNG or TIFF"
            ) from error
        return opener


# JPEG comes first, being nearly every file; jpeg_factory also opens MPO.
_COMMON: tuple[tuple[Callable[[bytes], bool | str], Opener], ...] = (
    (JpegImagePlugin._accept, JpegImagePlugin.jpeg_factory),
    (PngImagePlugin._accept, PngImagePlugin.PngImageFile),
    (WebPImagePlugin._accept, WebPImagePlugin.WebPImageFile),
    (TiffImagePlugin._accept, TiffImagePlugin.TiffImageFile),
    (GifImagePlugin._accept, GifImagePlugin.GifImageFile),
    (BmpImagePlugin._accept, BmpImagePlugin.BmpImageFile),
)
_AVIF = _Plugin("an AVIF picture", "PIL.AvifImagePlugin", "AvifImageFile")
_JPEG_2000 = _Plugin("a JPEG 2000 picture", "PIL.Jpeg2KImagePlugin", "Jpeg2KImageFile")
_JPEG_XL = _Plugin("a JPEG XL picture", "pillow_jxl.JpegXLImagePlugin", "JXLImageFile", "formats")
_HEIC = _Plugin("a HEIC picture", "pillow_heif", "HeifImageFile", "formats")
_BY_START = {
    b"\0\0\0\x0cjP  ": _JPEG_2000,
    b"\xffO\xffQ": _JPEG_2000,
    b"\0\0\0\x0cJXL ": _JPEG_XL,
    b"\xff\x0a": _JPEG_XL,
}
_BY_BRAND = {  # of ISO base media files (ISO/IEC 14496-12), bytes 8..12
    **dict.fromkeys((b"avif", b"avis"), _AVIF),
    **dict.fromkeys((b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"), _HEIC),
}

# Told apart from text and noise, so that a user knows to convert them.
_NEVER = {b"8BPS": "a Photoshop document", b"%PDF": "a PDF document", b"<svg": "an SVG drawing"}


def opener(start: bytes) -> Opener | None:
    """What opens a file that starts so; None for what is no picture that can be read: `unreadable` says what it is.

    Raises:
      MissingReaderError: it is a picture of a format whose reader is not installed.
    """
    for accept, opener in _COMMON:
        if accept(start) is True:
            return opener
    for prefix, plugin in _BY_START.items():
        if start.startswith(prefix):
            return plugin.opener()
    if start[4:8] == b"ftyp" and (branded := _BY_BRAND.get(start[8:12])):
        return branded.opener()
    return None


def unreadable(start: bytes) -> str | None:
    """The name of a format that is known and never read, such as "a PDF document"; None for any other bytes."""
    for prefix, name in _NEVER.items():
        if start.startswith(prefix):
            return name
    return "a video or another media file" if start[4:8] == b"ftyp" else None
