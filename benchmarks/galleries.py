"""Folders of many paintings for benchmarks, made from a few by giving each copy a JPEG comment of its own."""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from pathlib import Path

from pipeline.atelier.gallery import write_gallery

ARTISTS = 8


def originals(scratch: Path) -> list[Path]:
    """JPEGs of about a megapixel to copy: real ones where PAINTINGS_DIR holds some, else the embedded gallery's."""
    return _real("kaggle_subset") or _embedded(scratch)


def small_originals(scratch: Path) -> list[Path]:
    """JPEGs of a fifth of a megapixel, where PAINTINGS_DIR holds some; crops of them weigh what all crops do."""
    return _real("masters") or _embedded(scratch)


def _real(folder: str) -> list[Path]:
    real = os.environ.get("PAINTINGS_DIR")
    found = sorted(Path(real, folder).rglob("*.jpg")) if real else []
    if real and not found:
        raise SystemExit(f"PAINTINGS_DIR={real} holds no {folder}/**/*.jpg.")
    return found


def _embedded(scratch: Path) -> list[Path]:
    write_gallery(scratch / "atelier", paintings=240)
    return sorted((scratch / "atelier").rglob("*.jpg"))


def multiply(sources: Sequence[Path], count: int, folder: Path) -> Path:
    """A gallery of `count` paintings, no two files with the same bytes, dealt to ARTISTS folders. Made once."""
    done = folder / f"{count}.complete"
    if done.exists():
        return folder
    for artist in range(ARTISTS):
        (folder / f"Artist {artist}").mkdir(parents=True, exist_ok=True)
    for number in range(count):
        data = sources[number % len(sources)].read_bytes()
        comment = str(number).encode()
        # SOI, then a COM segment (ISO/IEC 10918-1, B.2.4.5), then the rest.
        marked = data[:2] + b"\xff\xfe" + struct.pack(">H", 2 + len(comment)) + comment + data[2:]
        (folder / f"Artist {number % ARTISTS}" / f"{number}.jpg").write_bytes(marked)
    done.touch()
    return folder
