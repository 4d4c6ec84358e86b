import struct
import zlib

import pytest
from PIL import Image, PngImagePlugin

from pipeline.dataset.rejects import DAMAGED, TOO_MANY_PIXELS, TRUNCATED
from pipeline.pictures.containers import MAX_SCANS
from pipeline.pictures.decode import decode
from pipeline.pictures.fault import ImageError
from tests.pipeline.pictures.scenes import saved, scene


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}])
def test_a_jpeg_that_lacks_only_its_end_marker_is_whole(options):
    data = saved(scene(), "JPEG", **options)
    assert decode(data[:-2]).image.tobytes() == decode(data).image.tobytes()
    assert decode(data[:-1]).image.tobytes() == decode(data).image.tobytes()


def test_a_progressive_jpeg_that_ends_between_two_scans_is_truncated():
    data = saved(scene(), "JPEG", progressive=True)
    starts = [at for at in range(len(data)) if data.startswith(b"\xff\xda", at)]
    for start in starts[1:]:
        tables = data.rindex(b"\xff\xc4", 0, start)  # each scan is preceded by its Huffman tables
        with pytest.raises(ImageError) as caught:
            decode(data[:tables])
        assert caught.value.reason == TRUNCATED


def test_a_jpeg_of_endless_scans_is_refused():
    data = saved(scene(), "JPEG", progressive=True)
    last = data[data.rindex(b"\xff\xda") : -2]
    with pytest.raises(ImageError, match="scans") as caught:
        decode(data[:-2] + last * MAX_SCANS + data[-2:])
    assert caught.value.reason == DAMAGED


@pytest.mark.parametrize("marker", [b"\xff\xc0", b"\xff\xc2"])
def test_a_header_that_promises_more_than_the_file_can_hold_is_refused(marker):
    data = bytearray(saved(scene(), "JPEG", progressive=marker == b"\xff\xc2"))
    at = data.index(marker)
    data[at + 5 : at + 9] = struct.pack(">HH", 9999, 9999)
    with pytest.raises(ImageError, match=r"promises 9999 x 9999 pixels, which \d+ bytes cannot hold"):
        decode(bytes(data))


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"optimize": True, "subsampling": 2}])
def test_the_emptiest_sound_jpeg_is_not_refused(options):
    white = Image.new("RGB", (2048, 2048), "white")
    assert decode(saved(white, "JPEG", quality=1, **options)).width == 2048


def chunk(kind: bytes, body: bytes, checksum: int | None = None) -> bytes:
    found = zlib.crc32(kind + body) if checksum is None else checksum
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", found)


def with_chunk(data: bytes, added: bytes, before: bytes) -> bytes:
    at = data.index(before) - 4
    return data[:at] + added + data[at:]


@pytest.mark.parametrize("before", [b"IDAT", b"IEND"])
@pytest.mark.parametrize(
    "added",
    [
        chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b" " * (PngImagePlugin.MAX_TEXT_CHUNK + 1))),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(b" " * (2 * PngImagePlugin.MAX_TEXT_CHUNK))),
        chunk(b"tIME", bytes(7), checksum=0),
        chunk(b"zzZz", b"rubbish", checksum=1),
    ],
    ids=["zTXt", "XMP", "tIME", "unknown"],
)
def test_notes_of_a_png_cost_no_picture(added, before):
    assert decode(with_chunk(saved(scene(), "PNG"), added, before)).image.tobytes() == scene().tobytes()


def test_damaged_pixels_of_a_png_are_refused_though_notes_are_too():
    data = with_chunk(saved(scene(), "PNG"), chunk(b"tIME", bytes(7), checksum=0), b"IDAT")
    at = data.index(b"IDAT") + 20
    with pytest.raises(ImageError):
        decode(data[:at] + bytes([data[at] ^ 255]) + data[at + 1 :])


def test_a_tile_larger_than_the_limit_is_refused():
    entries = [(256, 64), (257, 64), (258, 8), (259, 1), (262, 1), (322, 26704), (323, 26704), (324, 8), (325, 4096)]
    table = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
    data = b"II*\0" + struct.pack("<IH", 8, len(entries)) + table + bytes(4) + bytes(4096)
    with pytest.raises(ImageError, match="one tile holds 713,103,616 pixels") as caught:
        decode(data)
    assert caught.value.reason == TOO_MANY_PIXELS
