"""The training records of a dataset, to hand to a peer's writer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.readers import SHUFFLE_MIB
from pipeline.dataset.dataset import Dataset
from trainer.data.parse import parse_batch


def crops(folder: Path) -> Iterator[tuple[np.ndarray, int]]:
    """uint8[size, size, 3] and label of each training record, in the order of the shards."""
    import tensorflow as tf

    dataset = Dataset.open(folder / "dataset")
    for shard in dataset.contract.splits["train"]:
        for batch in tf.data.TFRecordDataset(dataset.shard_path(shard)).batch(64):
            parsed = parse_batch(batch.numpy(), dataset.contract)
            yield from zip(parsed["image"], parsed["label"].tolist(), strict=True)


def buffered(size: int) -> int:
    """Pictures of a side of `size` that fill SHUFFLE_MIB."""
    return SHUFFLE_MIB * 2**20 // (3 * size * size)


def shards(folder: Path) -> list[str]:
    """Paths of the training shards."""
    dataset = Dataset.open(folder / "dataset")
    return [dataset.shard_path(shard) for shard in dataset.contract.splits["train"]]


def side(folder: Path) -> int:
    """Of the pictures."""
    return Dataset.open(folder / "dataset").contract.scheme.size
