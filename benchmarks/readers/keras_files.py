"""Keras's image_dataset_from_directory: a PNG file a crop, a folder an artist."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks.readers.crops import crops, side


def prepare(folder: Path) -> None:
    """Writes folder/files/LABEL/NUMBER.png."""
    for number, (pixels, label) in enumerate(crops(folder)):
        path = folder / "files" / f"{label:03d}" / f"{number:06d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path, compress_level=1)


def batches(folder: Path, batch: int, workers: int) -> Iterator[Any]:
    """Threads of one process, whatever `workers`."""
    import keras
    import tensorflow as tf

    del workers
    read = keras.utils.image_dataset_from_directory(
        folder / "files", image_size=(side(folder),) * 2, batch_size=batch, seed=0, verbose=False
    )
    return iter(read.repeat().prefetch(tf.data.AUTOTUNE))
