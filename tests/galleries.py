"""Galleries of paintings that are painted once for a whole run of the tests: each takes a tenth of a second."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

from pipeline.atelier import gallery
from pipeline.atelier.painters import PAINTERS

MOST = 60  # paintings


def paint(folder: Path) -> Path:
    """Paints them, or waits for the process that does."""
    gallery.write_gallery(folder, paintings=MOST, workers=2)
    return folder


def write(folder: Path, painted: Path, paintings: int = 3 * len(PAINTERS), defects: bool = False) -> None:
    """What `write_gallery` writes, with the paintings that are in `painted`, at most `MOST`."""

    def jpeg(seed: int, painter: int, index: int) -> bytes:
        return (painted / gallery.relative_path(PAINTERS[painter].name, index + 1)).read_bytes()

    with mock.patch.object(gallery, "jpeg", jpeg):
        gallery.write_gallery(folder, paintings, defects=defects, workers=1)
