"""What the container of a picture says, read before or instead of its decoder.

`refuse` finds what would keep a decoder busy or make it ask for far more memory than the picture has pixels; `repaired`
gives the bytes of a picture that lacks nothing but what no viewer needs.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import simplejpeg
from PIL import ImageFile, TiffImagePlugin

from pipeline.dataset.rejects import DAMAGED, TOO_MANY_PIXELS

MAX_SCANS = 100  # of a JPEG; encoders write about ten, and each is a pass over all pixels
_JPEG = b"\xff\xd8\xff"
_END = b"\xff\xd9"
_SCAN = b"\xff\xda"  # in the coded data every 0xff is followed by 0x00, so that these two bytes start a scan there
_PNG = b"\x89PNG\r\n\x1a\n"
_NOTES = frozenset((b"tEXt", b"zTXt", b"iTXt"))  # of a PNG
_TILE_WIDTH, _TILE_LENGTH = 322, 323  # tags of a TIFF
# A JPEG codes each block of 8 x 8 luma values with a Huffman code of one bit at least (ITU-T T.81, F.1.2).
_MAX_PIXELS_A_BYTE = 8 * 64
_FRAMES = frozenset((0xC0, 0xC1, 0xC2))  # Huffman-coded: baseline, extended, progressive
_PROGRESSIVE = 0xC2


def refuse(data: bytes, image: ImageFile.ImageFile, max_pixels: int) -> tuple[str, str] | None:
    """A reason of `pipeline.dataset.rejects` and a detail why an opened picture is not to be decoded; None if it may.

    Args:
      data: the whole file.
      image: the same, opened: its header is read, its pixels are not.
      max_pixels: that a picture may have.
    """
    width, height = image.size
    if data.startswith(_JPEG):
        scans = data.count(_SCAN)
        if scans > MAX_SCANS:
            return DAMAGED, f"a JPEG of {scans:,} scans, each a pass over all pixels; encoders write about ten"
        if width * height > _MAX_PIXELS_A_BYTE * len(data) and _frame(data):
            return DAMAGED, f"the header promises {width} x {height} pixels, which {len(data):,} bytes cannot hold"
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        tile = int(image.tag_v2.get(_TILE_WIDTH, 0)) * int(image.tag_v2.get(_TILE_LENGTH, 0))
        if tile > max_pixels:
            return TOO_MANY_PIXELS, f"one tile holds {tile:,} pixels; the limit is {max_pixels:,}"
    return None


def repaired(data: bytes) -> bytes | None:
    """The bytes of a file that cannot be decoded as it is, without its harmless fault; None if it has another fault.

    Harmless are a PNG's notes that are too long or its auxiliary chunks with a wrong checksum, and the missing end
    marker of a JPEG whose pixels are all there.
    """
    if data.startswith(_PNG):
        kept = b"".join(_needed_chunks(data))
        return kept if kept != data else None
    if data.startswith(_JPEG) and not data.endswith(_END):
        ended = data + _END
        return ended if _all_there(ended) else None
    return None


def _needed_chunks(data: bytes) -> Iterator[bytes]:
    """The signature and chunks of a PNG (W3C PNG, 5.3) but for notes and for auxiliary chunks that are damaged."""
    yield _PNG
    at = len(_PNG)
    while at < len(data):
        length = int.from_bytes(data[at : at + 4])
        kind, end = data[at + 4 : at + 8], at + 12 + length
        chunk = data[at:end]
        auxiliary = len(kind) == 4 and bool(kind[0] & 0x20)
        sound = chunk[-4:] == struct.pack(">I", zlib.crc32(chunk[4:-4]))
        if not auxiliary or (sound and kind not in _NOTES):
            yield chunk
        at = end


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The marker and content of each segment of a JPEG: those of its head, then the header of each scan."""
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            return
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4])
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        yield marker, data[at + 4 : at + 2 + length]
        at += 2 + length
        if marker == _SCAN[1]:  # coded data follow, with stuffed and restart markers, up to the next segment
            while (at := data.find(b"\xff", at)) >= 0 and at + 1 < len(data):
                if data[at + 1] not in (0x00, *range(0xD0, 0xD8)):
                    break
                at += 2
            if at < 0:
                return


def _frame(data: bytes) -> int | None:
    """The marker of a Huffman-coded JPEG's frame header (ITU-T T.81, table B.1), which tells how; None of another's."""
    return next(
        (marker for marker, _ in _segments(data) if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)), None
    )


def _all_there(data: bytes) -> bool:
    """Whether a JPEG with an end marker decodes without a warning, and its scans give every bit of every wave."""
    try:
        simplejpeg.decode_jpeg(data, "GRAY", strict=True)
    except ValueError:
        return False
    return _frame(data) != _PROGRESSIVE or not _missing_waves(data)


def _missing_waves(data: bytes) -> set[tuple[int, int]]:
    """Component and number of each wave of a decodable progressive JPEG whose last bit no scan gives (T.81, G.1)."""
    missing: set[tuple[int, int]] = set()
    for marker, content in _segments(data):
        if marker == _PROGRESSIVE:
            missing = {(component, wave) for component in content[6::3] for wave in range(64)}
        elif marker == _SCAN[1]:
            components = content[1 : 1 + 2 * content[0] : 2]
            first, last, bits = content[1 + 2 * content[0] :]
            if bits & 15 == 0:
                missing -= {(component, wave) for component in components for wave in range(first, last + 1)}
    return missing
