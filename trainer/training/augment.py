"""Stateless augmentation of batches, on the device: the same pictures and seed always give the same result.

It is a part of the training step, so that the host only decodes and cuts (`trainer.data`). Pictures come and go as
uint8, so that training sees what the saved model takes. Everything is a handful of operations on the whole batch.

What is drawn for a picture depends on the seed and on its place in the batch of all devices, of which a device holds a
part: two devices see, bit by bit, what one would.

Levels:
  none    nothing
  light   horizontal flips; brightness, contrast and saturation vary by up to 10%: photographs of paintings differ by
          more than that. Hue is left alone: palette is part of a hand.
  strong  light at 30%, a random rectangle erased from one image in four (Zhong et al. 2017, arXiv:1708.04896), and
          pictures mixed by pairs: mixup (Zhang et al. 2017, arXiv:1710.09412) or CutMix (Yun et al. 2019,
          arXiv:1905.04899) by turns, with targets mixed alike. A pair is the first and the second of the batch, the
          third and the fourth, and so on: no device needs a picture of another.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from scipy.stats import beta

_JITTER = {"light": 0.1, "strong": 0.3}
_ERASED = 0.25  # share of images that lose a rectangle
_QUANTILES = beta.ppf(np.linspace(0, 1, 1025), 0.2, 0.2).astype(np.float32)  # of the share that mixup keeps
_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


@dataclass(frozen=True, slots=True)
class Draws:
    """Random numbers of the pictures of a batch that a device holds.

    Attributes:
      total: pictures of the batch, over all devices.
      first: which of them is the first of this device's.
      count: of this device's.
    """

    total: int
    first: tf.Tensor | int
    count: int

    def uniform(self, seed: tf.Tensor, columns: int, low: float = 0.0, high: float = 1.0) -> list[tf.Tensor]:
        """`columns` tensors float32[count], in low .. high."""
        drawn = tf.random.stateless_uniform([columns, self.total], seed, low, high)
        found: list[tf.Tensor] = tf.unstack(tf.slice(drawn, [0, self.first], [columns, self.count]))
        return found


def augment(
    images: tf.Tensor, targets: tf.Tensor, seed: tf.Tensor, level: str, draws: Draws
) -> tuple[tf.Tensor, tf.Tensor]:
    """Augments what a device holds of a batch.

    Args:
      images: uint8[count, height, width, 3].
      targets: float32[count, classes], rows sum to 1.
      seed: int64[2], different for every batch of a run.
      level: none, light or strong.
      draws: for these pictures. To be mixed, they must be even in number, unless they are all of the batch.

    Returns:
      Images and targets of the same shapes and dtypes.
    """
    if level == "none":
        return images, targets
    flips, colours, holes, mixture = tf.unstack(tf.random.split(seed, 4))
    pixels = jitter(tf.cast(flip(images, flips, draws), tf.float32), colours, _JITTER[level], draws)
    if level == "strong":
        pixels = erase(pixels, holes, draws)
        pixels, targets = mix(pixels, targets, mixture, draws)
    return tf.cast(tf.round(tf.clip_by_value(pixels, 0, 255)), tf.uint8), targets


def flip(images: tf.Tensor, seed: tf.Tensor, draws: Draws) -> tf.Tensor:
    """Mirrors every other image, on average, left to right."""
    (chance,) = draws.uniform(seed, 1)
    return tf.where(chance[:, None, None, None] < 0.5, tf.reverse(images, [2]), images)


def jitter(pixels: tf.Tensor, seed: tf.Tensor, strength: float, draws: Draws) -> tf.Tensor:
    """Changes brightness, contrast and saturation of each image by factors in 1 - strength .. 1 + strength.

    The three are linear in the pixels, so one 3 x 3 matrix and one offset per image do them all at once. Contrast is
    about the image's mean grey, saturation about each pixel's grey. Values may leave 0..255.
    """
    factors = draws.uniform(seed, 3, 1 - strength, 1 + strength)
    brightness, contrast, saturation = (factor[:, None, None] for factor in factors)
    grey = tf.constant(_LUMA)
    to_grey = tf.tile(grey[:, None], [1, 3])  # pixels @ to_grey is each pixel's grey, three times
    matrix = brightness * contrast * (saturation * tf.eye(3) + (1 - saturation) * to_grey)
    mean = tf.reduce_sum(tf.reduce_mean(pixels, [1, 2]) * grey, axis=1)[:, None, None]
    offset = brightness * (1 - contrast) * mean
    flat = tf.reshape(pixels, [draws.count, -1, 3])
    return tf.reshape(flat @ matrix + offset, tf.shape(pixels))


def erase(pixels: tf.Tensor, seed: tf.Tensor, draws: Draws) -> tf.Tensor:
    """Fills a rectangle of a quarter of the images with their mean colour; it covers 2% to 33% of the image."""
    chance, area, aspect, down, across = draws.uniform(seed, 5)
    area = 0.02 + area * (1 / 3 - 0.02)
    aspect = tf.exp((2 * aspect - 1) * tf.math.log(1 / 0.3))
    inside = _rectangles(pixels, tf.sqrt(area * aspect), tf.sqrt(area / aspect), down, across)
    chosen = chance[:, None, None, None] < _ERASED
    return tf.where(inside & chosen, tf.reduce_mean(pixels, [1, 2], keepdims=True), pixels)


def mix(pixels: tf.Tensor, targets: tf.Tensor, seed: tf.Tensor, draws: Draws) -> tf.Tensor:
    """Mixes the pictures of each pair: mixup for half the batches, else CutMix.

    The share is drawn for the batch with mixup, Beta(0.2, 0.2), and for each picture with CutMix, uniform, as their
    authors did on ImageNet.
    """
    which, share, place = tf.unstack(tf.random.split(seed, 3))
    partners, other = _swapped(pixels, draws.count), _swapped(targets, draws.count)

    def mixup() -> tuple[tf.Tensor, tf.Tensor]:
        kept = _beta(tf.random.stateless_uniform([], share))
        return kept * pixels + (1 - kept) * partners, kept * targets + (1 - kept) * other

    def cutmix() -> tuple[tf.Tensor, tf.Tensor]:
        area, down, across = draws.uniform(place, 3)
        side = tf.sqrt(area)
        inside = _rectangles(pixels, side, side, down, across)
        taken = tf.reduce_mean(tf.cast(inside, tf.float32), [1, 2])
        return tf.where(inside, partners, pixels), (1 - taken) * targets + taken * other

    return tf.cond(tf.random.stateless_uniform([], which) < 0.5, mixup, cutmix)


def _beta(chance: tf.Tensor) -> tf.Tensor:
    """The quantile of Beta(0.2, 0.2) at a number in 0..1. XLA compiles none of TensorFlow's own ways to draw from it."""
    at = chance * (len(_QUANTILES) - 1)
    low = tf.minimum(tf.cast(at, tf.int32), len(_QUANTILES) - 2)
    below, above = tf.gather(_QUANTILES, low), tf.gather(_QUANTILES, low + 1)
    return below + (at - tf.cast(low, tf.float32)) * (above - below)


def _swapped(values: tf.Tensor, count: int) -> tf.Tensor:
    """The first and the second in each other's place, and so on; the last of an odd number stays."""
    order = [at ^ 1 if at ^ 1 < count else at for at in range(count)]
    return tf.gather(values, order)


def _rectangles(
    pixels: tf.Tensor, height: tf.Tensor, width: tf.Tensor, down: tf.Tensor, across: tf.Tensor
) -> tf.Tensor:
    """bool[count, height, width, 1]: a rectangle for each image, of given fractions of its sides, anywhere within."""
    shape = tf.cast(tf.shape(pixels), tf.float32)

    def band(size: tf.Tensor, fraction: tf.Tensor, at: tf.Tensor) -> tf.Tensor:
        length = tf.round(tf.clip_by_value(fraction, 0, 1) * size)
        start = tf.floor(at * (size - length + 1))
        line = tf.range(size)
        return (line >= start[:, None]) & (line < (start + length)[:, None])

    rows = band(shape[1], height, down)
    columns = band(shape[2], width, across)
    return rows[:, :, None, None] & columns[:, None, :, None]
