"""A crop as a tf.train.Example, for the peers that write TFRecords."""

from __future__ import annotations

import numpy as np


def example(picture: np.ndarray, label: int) -> bytes:
    """Serialized: "image", raw bytes of uint8[size, size, 3], and "label"."""
    import tensorflow as tf

    feature = {
        "image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[picture.tobytes()])),
        "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
    }
    return bytes(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())
