"""What a good engineer writes in an afternoon: a process pool, a shard a task, a TFRecordWriter in each."""

from __future__ import annotations

import multiprocessing
from functools import partial
from pathlib import Path

from benchmarks.builders.example import example
from benchmarks.builders.pictures import Painting, cut
from pipeline.dataset.schemes import Scheme

PER_SHARD = 128


def _write(scheme: Scheme, path: str, paintings: list[Painting]) -> None:
    import tensorflow as tf

    with tf.io.TFRecordWriter(path) as writer:
        for painting in paintings:
            for picture in cut(painting, scheme):
                writer.write(example(picture, painting.label))


def build(paintings: list[Painting], output: Path, scheme: Scheme, workers: int) -> None:
    """Writes shards of PER_SHARD paintings."""
    output.mkdir(parents=True, exist_ok=True)
    shards = [paintings[start : start + PER_SHARD] for start in range(0, len(paintings), PER_SHARD)]
    tasks = [(str(output / f"{number:05d}.tfrecord"), shard) for number, shard in enumerate(shards)]
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        pool.starmap(partial(_write, scheme), tasks, chunksize=1)
