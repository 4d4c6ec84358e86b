"""The classic pipeline of ImageNet: tf.data, decode_and_crop_jpeg of a distorted box, TensorFlow's image operations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.feeders import ASPECT, ERASED, JITTER, SMALLEST, Feed
from benchmarks.feeders.chain import examples, mixed


def batches(feed: Feed) -> Iterator[Any]:
    """Threads of one process."""
    import tensorflow as tf

    size, classes = feed.dataset.contract.scheme.size, len(feed.dataset.contract.labels)
    raw = feed.dataset.contract.encoding == "raw"
    whole = tf.constant([[[0.0, 0.0, 1.0, 1.0]]])

    def picture(stored: tf.Tensor) -> tf.Tensor:
        if not feed.windows:
            return tf.reshape(tf.io.decode_raw(stored, tf.uint8), [size, size, 3]) if raw else tf.io.decode_jpeg(stored)
        begin, extent, _ = tf.image.sample_distorted_bounding_box(
            [size, size, 3], whole, min_object_covered=0.1, aspect_ratio_range=ASPECT, area_range=(SMALLEST, 1.0)
        )
        if raw:
            return tf.slice(tf.reshape(tf.io.decode_raw(stored, tf.uint8), [size, size, 3]), begin, extent)
        return tf.io.decode_and_crop_jpeg(stored, tf.concat([begin[:2], extent[:2]], 0), channels=3)

    def make(stored: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        pixels = picture(stored)
        if feed.windows or feed.side != size:
            pixels = tf.image.resize(pixels, (feed.side, feed.side), antialias=True)
        if feed.augment != "none":
            strength = JITTER[feed.augment]
            pixels = tf.image.random_flip_left_right(tf.cast(pixels, tf.float32))
            pixels = tf.image.random_brightness(pixels, strength * 128)
            pixels = tf.image.random_contrast(pixels, 1 - strength, 1 + strength)
            pixels = tf.image.random_saturation(pixels, 1 - strength, 1 + strength)
        if feed.augment == "strong":
            pixels = erased(pixels)
        return tf.ensure_shape(pixels, (feed.side, feed.side, 3)), tf.one_hot(label, classes)

    def erased(pixels: tf.Tensor) -> tf.Tensor:
        sides = tf.cast(tf.random.uniform([2], 0.14, 0.58) * feed.side, tf.int32)
        start = [tf.random.uniform([], 0, feed.side - side, tf.int32) for side in tf.unstack(sides)]
        line = tf.range(feed.side)
        rows, columns = ((line >= at) & (line < at + side) for at, side in zip(start, tf.unstack(sides), strict=True))
        hole = (rows[:, None] & columns[None, :])[..., None] & (tf.random.uniform([]) < ERASED)
        return tf.where(hole, tf.reduce_mean(pixels), pixels)

    made = examples(feed).map(make, tf.data.AUTOTUNE, deterministic=False).batch(feed.batch, drop_remainder=True)
    if feed.augment == "strong":
        made = made.map(mixed, tf.data.AUTOTUNE, deterministic=False)
    return iter(made.prefetch(tf.data.AUTOTUNE))
