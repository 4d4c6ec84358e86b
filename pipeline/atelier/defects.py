"""What real folders of paintings hold beside paintings, and what a build has to do with each: `DEFECTS`.

`python -m pipeline.atelier --defects` adds these files to a gallery; the end-to-end test builds from it and looks up
every one. About thirty files stand apart from the gallery's own paintings, so that each has one cause.
"""

from __future__ import annotations

import io
import struct
import unicodedata
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from pipeline.atelier import painters
from pipeline.storage import files

Outcome = Literal["reject", "accept", "copy", "near", "conflict", "ignore"]

HOST = 1  # the painter into whose folder the odd files go
OTHER = 0  # the painter whose folder holds bytes of HOST's
_FIRST_INDEX = 100_000  # paintings that no gallery holds

MANGLED_ARTIST = "Ulrich Dürrholz"
SOLE_ARTIST = "Ines Einzelgang"
ABSENT_ARTIST = "Nemo Ohnebild"

# Rows of artists.csv for the artists that only stand among the defects.
ARTIST_ROWS = f"""\
100,{MANGLED_ARTIST},1471 - 1528,Northern Renaissance,German,His folders are named in a wrong encoding.,,2
101,{SOLE_ARTIST},1900 - 1977,Expressionism,German,One painting is left of her work.,,1
102,{ABSENT_ARTIST},1700 - 1750,Baroque,Swiss,Nothing is left of his work.,,3
"""


@dataclass(frozen=True, slots=True)
class Defect:
    """One odd file.

    Attributes:
      path: relative to the gallery.
      outcome: "reject" (stands in rejects.csv), "accept" (a painting like others), "copy" (the bytes of `of`: one
        of the two is kept), "near" (kept, in the split of `of`), "conflict" (the same bytes as `of` under another
        artist: both in rejects.csv), "ignore" (in no list).
      artist: whose it is, where it counts as a painting.
      reason: its reason in rejects.csv, where one word is certain.
      of: path of the file it repeats.
    """

    path: str
    outcome: Outcome
    artist: str = ""
    reason: str = ""
    of: str = ""


def _mangle(name: str, times: int) -> str:
    """A name as an archive tool leaves it that takes the UTF-8 of the decomposed name for code page 437."""
    name = unicodedata.normalize("NFD", name)
    for _ in range(times):
        name = name.encode().decode("cp437")
    return name


def _path(artist: str, stem: str, extension: str = "jpg", folder: str = "") -> str:
    folder = folder or artist.replace(" ", "_")
    return f"images/images/{folder}/{folder}_{stem}.{extension}"


def _hosted(stem: str, outcome: Outcome, reason: str = "", of: str = "", extension: str = "jpg") -> Defect:
    host = painters.PAINTERS[HOST].name
    return Defect(_path(host, stem, extension), outcome, host, reason, of and _path(host, of))


def _mangled(times: int, number: int) -> Defect:
    """A painting in the folder mangled so many times, whose bytes stand in the other mangled folder too."""
    paths = [
        _path(MANGLED_ARTIST, str(number), folder=_mangle(MANGLED_ARTIST, n).replace(" ", "_"))
        for n in (times, 3 - times)
    ]
    return Defect(paths[0], "copy", MANGLED_ARTIST, of=paths[1])


_OTHER_NAME = painters.PAINTERS[OTHER].name
_SHARED = _path(painters.PAINTERS[HOST].name, "shared")
_SHARED_ELSEWHERE = _path(_OTHER_NAME, "shared")

DEFECTS: dict[str, Defect] = {
    # Files that show no painting.
    "truncated": _hosted("truncated", "reject", "truncated"),
    "zero bytes": _hosted("zero_bytes", "reject", "empty file"),
    "text named .jpg": _hosted("text", "reject", "not an image"),
    "image bomb": _hosted("bomb", "reject", "too many pixels", extension="png"),
    "one pixel": _hosted("one_pixel", "reject", "absurd dimensions", extension="png"),
    "long strip": _hosted("strip", "reject", "absurd dimensions"),
    "broken link": _hosted("broken_link", "reject"),
    "link loop": _hosted("link_loop", "reject"),
    "unreadable": _hosted("unreadable", "reject"),  # by anyone but root, who may read all
    # Paintings in a form that needs care.
    "PNG named .jpg": _hosted("really_png", "accept"),
    "WebP named .jpg": _hosted("really_webp", "accept"),
    "CMYK JPEG": _hosted("cmyk", "accept"),
    "YCCK JPEG": _hosted("ycck", "accept"),
    "grayscale JPEG": _hosted("gray", "accept"),
    "progressive JPEG": _hosted("progressive", "accept"),
    "palette PNG": _hosted("palette", "accept", extension="png"),
    "RGBA PNG": _hosted("alpha", "accept", extension="png"),
    "16-bit PNG": _hosted("sixteen_bits", "accept", extension="png"),
    "animated GIF": _hosted("animated", "accept", extension="gif"),
    "EXIF-rotated": _hosted("rotated", "accept"),
    "wide-gamut profile": _hosted("profile", "accept"),
    "tiny": _hosted("tiny", "accept", extension="png"),
    "only painting": Defect(_path(SOLE_ARTIST, "1"), "accept", SOLE_ARTIST),
    # Paintings that are there more than once.
    "exact copy": _hosted("exact_copy", "copy", of="1"),
    "recompressed": _hosted("recompressed", "near", of="2"),
    "resized": _hosted("resized", "near", of="3"),
    "shared": Defect(_SHARED, "conflict", of=_SHARED_ELSEWHERE),
    "shared elsewhere": Defect(_SHARED_ELSEWHERE, "conflict", of=_SHARED),
    "mangled once, first": _mangled(1, 1),
    "mangled once, second": _mangled(1, 2),
    "mangled twice, first": _mangled(2, 1),
    "mangled twice, second": _mangled(2, 2),
    # What other programs leave behind.
    "Thumbs.db": Defect(f"images/images/{_OTHER_NAME.replace(' ', '_')}/Thumbs.db", "ignore"),
    ".DS_Store": Defect("images/.DS_Store", "ignore"),
    "small copies": Defect("resized/resized", "ignore"),
}


def write_defects(gallery: Path, seed: int) -> None:
    """Adds the files of `DEFECTS` to a gallery; those that are there stay as they are."""
    for index, (name, defect) in enumerate(DEFECTS.items()):
        path = gallery / defect.path
        if path.is_symlink() or path.exists():
            continue
        if name == "broken link":
            path.symlink_to("no_such_painting.jpg")
        elif name == "link loop":
            path.symlink_to(path.name)
        elif name == "small copies":
            _write_small_copies(gallery, path)
        else:
            files.write(str(path), [_content(gallery, name, defect, seed, index)])
        if name == "unreadable":
            path.chmod(0)


def _content(gallery: Path, name: str, defect: Defect, seed: int, index: int) -> bytes:
    if defect.outcome in ("copy", "conflict") and (gallery / defect.of).exists():
        return (gallery / defect.of).read_bytes()
    if defect.outcome == "near":
        with Image.open(gallery / defect.of) as original:
            return _NEAR[name](original.convert("RGB"))
    if name in _NO_PICTURE:
        return _NO_PICTURE[name]()
    picture = painters.paint(seed, HOST, _FIRST_INDEX + index)
    picture.thumbnail((480, 480))
    return _FORMS.get(name, _save)(picture)


def _write_small_copies(gallery: Path, folder: Path) -> None:
    """Kaggle's second copy of every painting: flat, and small."""
    whole = folder.with_name(".unfinished")  # renamed when all are there
    whole.mkdir(parents=True, exist_ok=True)
    for path in sorted((gallery / "images" / "images").glob("*/*_[0-9]*.jpg")):
        with Image.open(path) as picture:
            picture.draft("RGB", (160, 160))
            picture.thumbnail((160, 160))
            picture.save(whole / path.name, "JPEG")
    whole.rename(folder)


# --- The bytes -------------------------------------------------------------------------------------------------------


def _save(picture: Image.Image, form: str = "JPEG", **options: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, form, **options)
    return stream.getvalue()


def _bomb() -> bytes:
    """A PNG of 60,000 x 60,000 pixels, 10 GiB decoded, in less than a hundred bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 64)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def _truncated(picture: Image.Image) -> bytes:
    whole = _save(picture)
    return whole[: len(whole) // 2]


def _ycck(picture: Image.Image) -> bytes:
    """A CMYK JPEG whose first three channels are stored as luma and chroma, as Photoshop writes it.

    Pillow writes CMYK inverted with Adobe's transform 0. Given the planes Y, Cb, Cr of (C, M, Y) in their place, all
    that is left to change is that byte, to 2. Adobe Technical Note 5116, section 18.
    """
    cyan, magenta, yellow, black = picture.convert("CMYK").split()
    luma, blue, red = Image.merge("RGB", (cyan, magenta, yellow)).convert("YCbCr").split()
    planes = [plane.point(lambda value: 255 - value) for plane in (luma, blue, red)]
    data = _save(Image.merge("CMYK", (*planes, black)), quality=90)
    transform = data.index(b"Adobe") + 11
    return data[:transform] + b"\x02" + data[transform + 1 :]


def _alpha(picture: Image.Image) -> bytes:
    fade = np.linspace(255, 0, picture.height).astype(np.uint8)[:, None].repeat(picture.width, axis=1)
    picture.putalpha(Image.fromarray(fade))
    return _save(picture, "PNG")


def _sixteen_bits(picture: Image.Image) -> bytes:
    gray = np.asarray(picture.convert("L")).astype(np.uint16)
    return _save(Image.fromarray(gray * 257), "PNG")


def _rotated(picture: Image.Image) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: the first row is the right side
    return _save(picture.transpose(Image.Transpose.ROTATE_90), exif=exif)


def wide_gamut_profile() -> bytes:
    """An ICC display profile with Adobe RGB's primaries and a gamma of 2.2 (ICC.1:2001-04, a matrix profile)."""

    def xyz(*values: float) -> bytes:
        return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65536) for value in values))

    def text(value: bytes) -> bytes:
        return b"desc\0\0\0\0" + struct.pack(">I", len(value) + 1) + value + bytes(1 + 78)

    gamma = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(2.2 * 256)) + b"\0\0"
    tags = {
        b"desc": text(b"Wide gamut"),
        b"cprt": b"text\0\0\0\0Public domain\0",
        b"wtpt": xyz(0.9642, 1.0, 0.8249),
        b"rXYZ": xyz(0.60974, 0.31111, 0.01947),
        b"gXYZ": xyz(0.20528, 0.62567, 0.06087),
        b"bXYZ": xyz(0.14919, 0.06322, 0.74457),
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), gamma),
    }
    start = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for tag, data in tags.items():
        table += tag + struct.pack(">2I", start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    header = struct.pack(">I4sI4s4s4s", start + len(body), b"none", 0x02400000, b"mntr", b"RGB ", b"XYZ ")
    header += struct.pack(">6H4s", 2000, 1, 1, 0, 0, 0, b"acsp") + bytes(28) + xyz(0.9642, 1.0, 0.8249)[8:]
    return header.ljust(128, b"\0") + table + body


_NO_PICTURE: dict[str, Callable[[], bytes]] = {
    "zero bytes": lambda: b"",
    "text named .jpg": lambda: b"<!doctype html><title>404 Not Found</title>\n",
    "image bomb": _bomb,
    "one pixel": lambda: _save(Image.new("RGB", (1, 1), "gray"), "PNG"),
    "long strip": lambda: _save(Image.new("RGB", (20_000, 12), "gray")),
    "Thumbs.db": lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504),
    ".DS_Store": lambda: b"\0\0\0\1Bud1" + bytes(504),
}
_FORMS: dict[str, Callable[[Image.Image], bytes]] = {
    "truncated": _truncated,
    "PNG named .jpg": lambda picture: _save(picture, "PNG"),
    "WebP named .jpg": lambda picture: _save(picture, "WEBP"),
    "CMYK JPEG": lambda picture: _save(picture.convert("CMYK")),
    "YCCK JPEG": _ycck,
    "grayscale JPEG": lambda picture: _save(picture.convert("L")),
    "progressive JPEG": lambda picture: _save(picture, progressive=True),
    "palette PNG": lambda picture: _save(picture.quantize(64), "PNG"),
    "RGBA PNG": _alpha,
    "16-bit PNG": _sixteen_bits,
    "animated GIF": lambda picture: _save(
        picture, "GIF", save_all=True, append_images=[Image.new("RGB", picture.size, "black")]
    ),
    "EXIF-rotated": _rotated,
    "wide-gamut profile": lambda picture: _save(picture, icc_profile=wide_gamut_profile()),
    "tiny": lambda picture: _save(picture.resize((20, 20)), "PNG"),
}
_NEAR: dict[str, Callable[[Image.Image], bytes]] = {
    "recompressed": lambda picture: _save(picture, quality=60),
    "resized": lambda picture: _save(picture.resize((picture.width * 3 // 4, picture.height * 3 // 4))),
}
