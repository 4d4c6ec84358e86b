"""tf.data without a library above it: interleave, shuffle, batch, parse the batch, prefetch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.readers.crops import buffered, shards, side


def features() -> dict[str, Any]:
    """What a training step needs of a record."""
    import tensorflow as tf

    return {"image": tf.io.FixedLenFeature([], tf.string), "label": tf.io.FixedLenFeature([], tf.int64)}


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
    size = side(folder)

    def parse(some: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        parsed = tf.io.parse_example(some, features())
        return tf.reshape(tf.io.decode_raw(parsed["image"], tf.uint8), [-1, size, size, 3]), parsed["label"]

    read = serialized(folder).batch(batch, drop_remainder=True).map(parse, num_parallel_calls=tf.data.AUTOTUNE)
    return iter(read.prefetch(tf.data.AUTOTUNE))
