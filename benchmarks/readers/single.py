"""tf.data as most tutorials have it: shuffle, parse each record, batch, prefetch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.readers.crops import side
from benchmarks.readers.plain import features, serialized


def batches(folder: Path, batch: int, workers: int) -> Iterator[Any]:
    """Threads of one process, whatever `workers`."""
    import tensorflow as tf

    del workers
    size = side(folder)

    def parse(record: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        parsed = tf.io.parse_single_example(record, features())
        return tf.reshape(tf.io.decode_raw(parsed["image"], tf.uint8), [size, size, 3]), parsed["label"]

    read = serialized(folder).map(parse, num_parallel_calls=tf.data.AUTOTUNE)
    return iter(read.batch(batch, drop_remainder=True).prefetch(tf.data.AUTOTUNE))
