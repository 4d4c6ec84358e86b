"""The shards through TFRecordDataset in batches, neither shuffled nor parsed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.readers.crops import shards


def batches(folder: Path, batch: int, workers: int) -> Iterator[Any]:
    """Threads of one process, whatever `workers`."""
    import tensorflow as tf

    del workers
    read = tf.data.TFRecordDataset(shards(folder), num_parallel_reads=os.cpu_count())
    return ((each, each) for each in read.repeat().batch(batch, drop_remainder=True).prefetch(tf.data.AUTOTUNE))
