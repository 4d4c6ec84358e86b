"""Folders of many paintings for benchmarks, made from a few by giving each copy a JPEG comment of its own."""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from pathlib import Path

from pipeline.atelier import write_gallery

ARTISTS = 8


def originals(scratch: Path) -> list[Path]:
    """JPEGs to copy: real paintings where PAINTINGS_DIR names some, else the embedded gallery's."""
    if real := os.environ.get("PAINTINGS_DIR"):
        found = sorted(Path(real, "kaggle_subset").rglob("*.jpg"))
        if not found:
            raise SystemExit(f"PAINTINGS_DIR={real} holds no kaggle_subset/**/*.jpg.")
        return found
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
