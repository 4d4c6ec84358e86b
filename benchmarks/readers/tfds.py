"""TensorFlow Datasets on our files, by https://www.tensorflow.org/datasets/performances."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.readers.crops import buffered, side


def batches(folder: Path, batch: int, workers: int) -> Iterator[Any]:
    """Threads of one process, whatever `workers`."""
    import tensorflow as tf
    import tensorflow_datasets

    del workers
    builder = tensorflow_datasets.builder_from_directory(str(folder / "dataset"))
    config = tensorflow_datasets.ReadConfig(shuffle_seed=0)
    read = builder.as_dataset(split="train", shuffle_files=True, read_config=config)
    read = (
        read.shuffle(buffered(side(folder)), seed=0)
        .repeat()
        .batch(batch, drop_remainder=True)
        .prefetch(tf.data.AUTOTUNE)
    )
    return ((each["image"], each["label"]) for each in read)
