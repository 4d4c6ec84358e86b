"""The shards through TFRecordDataset in batches, neither shuffled nor parsed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.readers.crops import shards


def batches(folder: Path, batch: int, epoch: int, workers: int) -> Iterator[Any]:
    """The same every `epoch`; threads of one process, whatever `workers`."""
    import tensorflow as tf

    del epoch, workers
    read = tf.data.TFRecordDataset(shards(folder), num_parallel_reads=os.cpu_count())
    return ((each, each) for each in read.batch(batch, drop_remainder=True).prefetch(tf.data.AUTOTUNE))
