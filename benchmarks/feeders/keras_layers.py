"""tf.data with Keras's augmentation layers, mapped over batches as its guide to preprocessing has it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.feeders import ERASED, JITTER, SMALLEST, Feed
from benchmarks.feeders.chain import examples


def batches(feed: Feed) -> Iterator[Any]:
    """Threads of one process."""
    import keras
    import tensorflow as tf

    size, classes = feed.dataset.contract.scheme.size, len(feed.dataset.contract.labels)
    raw = feed.dataset.contract.encoding == "raw"
    layers = []
    if feed.windows:
        # Keras has no layer that cuts windows of random area: zooming in and shifting is its like.
        layers.append(keras.layers.RandomZoom((SMALLEST**0.5 - 1, 0.0), fill_mode="reflect"))
        layers.append(keras.layers.RandomTranslation(0.2, 0.2, fill_mode="reflect"))
    if feed.windows or feed.side != size:
        layers.append(keras.layers.Resizing(feed.side, feed.side, antialias=True))
    if feed.augment != "none":
        strength = JITTER[feed.augment]
        layers.append(keras.layers.RandomFlip("horizontal"))
        layers.append(keras.layers.RandomBrightness(strength))
        layers.append(keras.layers.RandomContrast(strength))
        layers.append(keras.layers.RandomSaturation((0.5 - strength / 2, 0.5 + strength / 2)))
    if feed.augment == "strong":
        layers.append(keras.layers.RandomErasing(ERASED, scale=(0.02, 0.33), fill_value=127))
    mixing = [keras.layers.MixUp(0.2), keras.layers.CutMix(1.0)] if feed.augment == "strong" else []

    def decode(stored: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        pixels = tf.io.decode_raw(stored, tf.uint8) if raw else tf.io.decode_jpeg(stored)
        return tf.reshape(pixels, [size, size, 3]), tf.one_hot(label, classes)

    def vary(pixels: tf.Tensor, targets: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        for layer in layers:
            pixels = layer(pixels, training=True)
        if not mixing:
            return pixels, targets
        given = {"images": tf.cast(pixels, tf.float32), "labels": targets}
        found = tf.cond(
            tf.random.uniform([]) < 0.5,
            lambda: mixing[0](given, training=True),
            lambda: mixing[1](given, training=True),
        )
        return found["images"], found["labels"]

    made = examples(feed).map(decode, tf.data.AUTOTUNE, deterministic=False).batch(feed.batch, drop_remainder=True)
    if layers:
        made = made.map(vary, tf.data.AUTOTUNE, deterministic=False)
    return iter(made.prefetch(tf.data.AUTOTUNE))
