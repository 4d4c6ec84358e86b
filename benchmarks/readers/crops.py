"""The training records of a dataset, to hand to a peer's writer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.readers import SHUFFLE_MIB
from pipeline.dataset.contract import read_contract
from trainer.data.parse import parse_batch


def crops(folder: Path) -> Iterator[tuple[np.ndarray, int]]:
    """uint8[size, size, 3] and label of each training record, in the order of the shards."""
    import tensorflow as tf

    dataset = folder / "dataset"
    contract = read_contract(dataset)
    for shard in contract.splits["train"]:
        for batch in tf.data.TFRecordDataset(str(dataset / shard.filename)).batch(64):
            parsed = parse_batch(batch, contract)
            yield from zip(parsed["image"].numpy(), parsed["label"].numpy().tolist(), strict=True)


def buffered(size: int) -> int:
    """Pictures of a side of `size` that fill SHUFFLE_MIB."""
    return SHUFFLE_MIB * 2**20 // (3 * size * size)


def shards(folder: Path) -> list[str]:
    """Paths of the training shards."""
    dataset = folder / "dataset"
    return [str(dataset / shard.filename) for shard in read_contract(dataset).splits["train"]]


def side(folder: Path) -> int:
    """Of the pictures."""
    return read_contract(folder / "dataset").scheme.size
