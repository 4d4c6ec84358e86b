"""tf.data without a library above it: interleave, shuffle, batch, parse the batch, prefetch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.readers.crops import buffered, shards, side
from pipeline import records


def serialized(folder: Path) -> Any:
    """Shuffled records without end, not parsed."""
    import tensorflow as tf

    paths = tf.data.Dataset.from_tensor_slices(shards(folder)).shuffle(10_000, seed=0)
    read = paths.interleave(tf.data.TFRecordDataset, num_parallel_calls=tf.data.AUTOTUNE)
    return read.shuffle(buffered(side(folder)), seed=0).repeat()


def batches(folder: Path, batch: int, workers: int) -> Iterator[Any]:
    """Threads of one process, whatever `workers`."""
    import tensorflow as tf

    del workers
    contract = records.read_contract(folder / "dataset")
    read = serialized(folder).batch(batch, drop_remainder=True)
    read = read.map(lambda some: records.parse_batch(some, contract), num_parallel_calls=tf.data.AUTOTUNE)
    return ((each["image"], each["label"]) for each in read.prefetch(tf.data.AUTOTUNE))
