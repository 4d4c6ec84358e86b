"""Records -> tensors, a batch at a time."""

from __future__ import annotations

import tensorflow as tf

from pipeline.dataset.contract import Contract


def parse_batch(serialized: tf.Tensor, contract: Contract) -> dict[str, tf.Tensor]:
    """Parses a batch of records at once, which is three times as fast as one by one.

    Args:
      serialized: string[batch].
      contract: of the dataset the records come from.

    Returns:
      image uint8[batch, size, size, 3]; label int64[batch]; painting_id string[batch]; crop_index int64[batch];
      crop_box float32[batch, 4]; source_size int64[batch, 2].
    """
    features = {
        "image": tf.io.FixedLenFeature([], tf.string),
        "label": tf.io.FixedLenFeature([], tf.int64),
        "painting_id": tf.io.FixedLenFeature([], tf.string),
        "crop_index": tf.io.FixedLenFeature([], tf.int64),
        "crop_box": tf.io.FixedLenFeature([4], tf.float32),
        "source_size": tf.io.FixedLenFeature([2], tf.int64),
    }
    parsed = tf.io.parse_example(serialized, features)
    return {**parsed, "image": decode_images(parsed["image"], contract)}


def decode_images(encoded: tf.Tensor, contract: Contract) -> tf.Tensor:
    """uint8[batch, size, size, 3] of the string[batch] that records hold as `image`."""
    size = contract.scheme.size
    if contract.encoding == "raw":
        return tf.reshape(tf.io.decode_raw(encoded, tf.uint8), [-1, size, size, 3])
    return tf.map_fn(
        lambda image: tf.ensure_shape(tf.io.decode_image(image, channels=3, expand_animations=False), [size, size, 3]),
        encoded,
        fn_output_signature=tf.TensorSpec([size, size, 3], tf.uint8),
        parallel_iterations=1,  # the map that calls this is parallel already
    )
