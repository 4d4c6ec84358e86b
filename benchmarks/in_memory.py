"""Training from one numpy array of all crops, as the original did: what streaming is compared with."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pipeline.dataset.dataset import Dataset
from trainer.data.parse import parse_batch

LIMIT_GIB = 8  # what a process may take: a laptop's memory, or most of a free notebook's


def restrain() -> None:
    """From here on, this process gets a MemoryError where it asks for more than LIMIT_GIB."""
    resource.setrlimit(resource.RLIMIT_DATA, (LIMIT_GIB << 30, LIMIT_GIB << 30))


def load(dataset: Path, most: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """All training records, or the first `most` of them, read once.

    The original's three copies (a list, an array of it, the array scaled) are spared: this is the least that one array
    of floats can take.

    Returns:
      float32[records, height, width, 3] in 0 .. 1, and int64[records] labels.

    Raises:
      MemoryError: they do not fit.
    """
    import tensorflow as tf

    contract = Dataset.open(dataset).contract
    size = contract.scheme.size
    count = min(most or contract.records("train"), contract.records("train"))
    images, labels = np.empty((count, size, size, 3), np.float32), np.empty(count, np.int64)
    paths = [str(dataset / shard.filename) for shard in contract.splits["train"]]
    start = 0
    for batch in tf.data.TFRecordDataset(paths).batch(256):
        parsed = parse_batch(batch[: count - start].numpy(), contract)
        end = start + len(parsed["label"])
        np.divide(parsed["image"], 255, out=images[start:end], dtype=np.float32)
        labels[start:end] = parsed["label"]
        start = end
        if start == count:
            break
    return images, labels


def batches(images: np.ndarray, labels: np.ndarray, classes: int, size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Endless shuffled batches of float32[size, height, width, 3] in 0 .. 255, and one-hot targets."""
    draw = np.random.default_rng(0)
    targets = np.eye(classes, dtype=np.float32)
    while True:
        order = draw.permutation(len(images))
        for start in range(0, len(order) - size + 1, size):
            chosen = order[start : start + size]
            yield images[chosen] * 255, targets[labels[chosen]]
