"""The pictures that all peers write: decoded with Pillow, cut at random."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.dataset.schemes import Scheme


@dataclass(frozen=True, slots=True)
class Painting:
    """A file, and its artist's index."""

    path: str
    label: int


def paintings(data: Path) -> list[Painting]:
    """Of a folder per artist, in an order that mixes artists, the same for everyone."""
    folders = sorted(path for path in data.iterdir() if path.is_dir())
    found = [Painting(entry.path, label) for label, folder in enumerate(folders) for entry in os.scandir(folder)]
    found.sort(key=lambda painting: painting.path)
    random.Random(0).shuffle(found)
    return found


def cut(painting: Painting, scheme: Scheme) -> list[np.ndarray]:
    """uint8[size, size, 3] of each crop of a painting, or of the painting squashed."""
    size = scheme.size
    with Image.open(painting.path) as image:
        if not scheme.shows_parts:
            image.draft("RGB", (size, size))  # libjpeg's scaled decoding, as Pillow's documentation advises
            return [np.asarray(image.convert("RGB").resize((size, size), Image.Resampling.BICUBIC))]
        pixels = np.asarray(image.convert("RGB"))
    places = random.Random(painting.path)
    height, width, _ = pixels.shape
    corners = [
        (places.randint(0, height - size), places.randint(0, width - size)) for _ in range(scheme.count(width, height))
    ]
    return [pixels[top : top + size, left : left + size] for top, left in corners]
