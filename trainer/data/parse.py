"""Records -> arrays, a batch at a time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from pipeline.dataset.contract import Contract
from trainer.data.pictures import make_pictures


def parse_batch(serialized: Sequence[bytes], contract: Contract, side: int | None = None) -> dict[str, np.ndarray]:
    """Parses a batch of records at once, which is three times as fast as one by one.

    Args:
      serialized: the records.
      contract: of the dataset the records come from.
      side: of the pictures, in pixels, as a network asks for it; None: as large as the records'.

    Returns:
      image uint8[batch, side, side, 3]; label int64[batch]; painting_id bytes[batch]; crop_index int64[batch];
      crop_box float32[batch, 4]; source_size int64[batch, 2].

    Raises:
      UndecodableError: a picture is damaged.
    """
    features = {
        "image": tf.io.FixedLenFeature([], tf.string),
        "label": tf.io.FixedLenFeature([], tf.int64),
        "painting_id": tf.io.FixedLenFeature([], tf.string),
        "crop_index": tf.io.FixedLenFeature([], tf.int64),
        "crop_box": tf.io.FixedLenFeature([4], tf.float32),
        "source_size": tf.io.FixedLenFeature([2], tf.int64),
    }
    parsed = tf.io.parse_example(tf.constant(list(serialized), tf.string), features)
    found = {name: value.numpy() for name, value in parsed.items()}
    return {**found, "image": make_pictures(found["image"].tolist(), contract, side)}
