"""Is a file a picture? One rule for building and for asking: by its name where that tells, else by its first bytes.

Names are judged by a list that stands here and not by the machine's (mimetypes differ from machine to machine). A file
with a picture's extension is a candidate whatever it holds: what is wrong with it is said when it is opened. Any other
file is one if it begins as a picture does, be it called "St. Jerome" or "a.jpg!Large". What is hidden, half downloaded,
or written by this project itself is none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import NamedTuple

from pipeline.dataset.schemes import is_scheme

# The second line cannot be decoded, or by an extra alone, but a painting kept so deserves a reject with its reason.
PICTURES = frozenset(
    (
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".bmp", ".dib", ".gif", ".tif", ".tiff", ".avif"),
        *(".heic", ".heif", ".jp2", ".j2k", ".jpx", ".jxl", ".psd", ".svg"),
    )
)
_PARTIAL = frozenset(
    (".part", ".partial", ".crdownload", ".download", ".opdownload", ".aria2", ".tmp", ".temp", ".!ut")
)
_EXTENSION = re.compile(r"\.[^\s./]{1,12}$")  # not "St. Jerome"
_STARTS = (
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n",
    b"GIF87a",
    b"GIF89a",
    b"II*\0",
    b"MM\0*",
    b"II+\0",
    b"MM\0+",
    b"8BPS",
    b"\0\0\0\x0cjP  ",
    b"\xffO\xffQ",
    b"\0\0\0\x0cJXL ",
)
_BRANDS = (b"avif", b"avis", b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")  # of ISO media files
START = 16  # bytes that `begins_as_picture` looks at

_VERSION = re.compile(r"\d+\.\d+\.\d+")
_MAP = re.compile(r"-[0-9a-f]{8}\.png$")
_RUN_MARKS = ({"flags.txt", "flags.json"}, {"flags.txt", "run.json"}, {"failure.json"})
_ANY_MARK = frozenset().union(*_RUN_MARKS)


def extension(path: str) -> str:
    """The extension in lower case with its dot; "" where there is none."""
    found = _EXTENSION.search(path.rpartition("/")[2])
    return found[0].lower() if found else ""


def has_picture_name(path: str) -> bool:
    """Whether a file's name is a picture's."""
    return extension(path) in PICTURES and not is_hidden(path)


def is_hidden(path: str) -> bool:
    """Whether a file is hidden by its name, as .DS_Store is, and ._1.jpg, which a Mac leaves beside 1.jpg."""
    return path.rpartition("/")[2].startswith(".")


def begins_as_picture(start: bytes) -> bool:
    """Whether these first bytes of a file, START of them, are a picture's, of a kind that can be read or not."""
    if start.startswith(_STARTS) or (start[4:8] == b"ftyp" and start[8:12] in _BRANDS):
        return True
    if start.startswith(b"RIFF"):
        return start[8:12] == b"WEBP"
    return start.startswith(b"BM") and start[6:10] == b"\0\0\0\0"


class Own(NamedTuple):
    """Folders whose files this project has written: those of runs, and below them; those of maps."""

    runs: tuple[str, ...]
    maps: frozenset[str]


def own_folders(paths: Iterable[str]) -> Own:
    """Finds them by the paths of all files, relative to a folder."""
    marks: dict[str, set[str]] = {}  # folder -> what in it may tell a run's
    maps: dict[str, bool] = {}  # folder -> whether all that lies in it are maps
    for path in paths:
        folder, _, name = path.rpartition("/")
        if name in _ANY_MARK:
            marks.setdefault(folder, set()).add(name)
        maps[folder] = maps.get(folder, bool(folder)) and bool(_MAP.search(name))
    runs = tuple(
        f"{folder}/" if folder else "" for folder, found in marks.items() if any(mark <= found for mark in _RUN_MARKS)
    )
    return Own(runs, frozenset(folder for folder, only in maps.items() if only))


def kind_of_other(path: str, own: Own, start: Callable[[str], bytes | None]) -> str | None:
    """What a file is: None for a picture, else a word such as "hidden", "of a dataset", or its extension.

    Args:
      path: relative to a folder.
      own: what this project has written there.
      start: gives the first bytes of one that `needs_look`; where there are none, the name alone decides.
    """
    if _is_of_a_dataset(path):
        return "of a dataset"
    if own.runs and path.startswith(own.runs):
        return "of a run"
    if path.rpartition("/")[0] in own.maps:
        return "maps"
    word = _no_picture(path)
    if word is not None or has_picture_name(path):
        return word
    known = start(path)
    is_picture = begins_as_picture(known) if known is not None else not extension(path)
    return None if is_picture else extension(path)


def needs_look(path: str) -> bool:
    """Whether only a file's first bytes tell if it is a picture."""
    return not has_picture_name(path) and _no_picture(path) is None


def _no_picture(path: str) -> str | None:
    """What a file is that is no picture whatever it holds."""
    if is_hidden(path):
        return "hidden"
    return "half downloaded" if extension(path) in _PARTIAL else None


def _is_of_a_dataset(path: str) -> bool:
    """Whether a file lies in what a build into this folder left."""
    folders = path.split("/")[:-1]
    return any(_VERSION.fullmatch(below) and is_scheme(above) for above, below in pairwise(folders))
