"""Stateless augmentation of batches: the same images and seed always give the same result, on any machine.

Images stay uint8, so that training sees what the saved model takes, and a batch costs a quarter of the memory and
transfer that floats would. Everything is a handful of operations on the whole batch: no function is called per image.

Levels:
  none    nothing
  light   horizontal flips; brightness, contrast and saturation vary by up to 10%: photographs of paintings differ by
          more than that. Hue is left alone: palette is part of a hand.
  strong  light at 30%, a random rectangle erased from one image in four (Zhong et al. 2017, arXiv:1708.04896), and
          each batch mixed with itself: mixup (Zhang et al. 2017, arXiv:1710.09412) or CutMix (Yun et al. 2019,
          arXiv:1905.04899) by turns, with targets mixed alike

Beside each level, random_resized_crop takes a random window of each image, a fifth to all of its area, and enlarges it
to the whole (Szegedy et al. 2014, arXiv:1409.4842): an endless supply of crops, at many scales, where records show much
of a painting.
"""

from __future__ import annotations

import tensorflow as tf

LEVELS = ("none", "light", "strong")

_JITTER = {"light": 0.1, "strong": 0.3}
_SMALLEST_WINDOW = 0.2  # of the image's area
_ASPECT = 4 / 3  # of windows, at most
_ERASED = 0.25  # share of images that lose a rectangle
_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


def augment(
    images: tf.Tensor, targets: tf.Tensor, seed: tf.Tensor, level: str, resized_crop: bool = False
) -> tuple[tf.Tensor, tf.Tensor]:
    """Augments a batch.

    Args:
      images: uint8[batch, height, width, 3].
      targets: float32[batch, classes], rows sum to 1.
      seed: int64[2], different for every batch of a run.
      level: one of LEVELS.
      resized_crop: whether each image is one of `random_resized_crop`.

    Returns:
      Images and targets of the same shapes and dtypes.
    """
    if level == "none" and not resized_crop:
        return images, targets
    flips, colours, holes, mixture, places = tf.unstack(tf.random.split(seed, 5))
    pixels = tf.cast(images if level == "none" else flip(images, flips), tf.float32)
    if resized_crop:
        pixels = random_resized_crop(pixels, places)
    if level != "none":
        pixels = jitter(pixels, colours, _JITTER[level])
    if level == "strong":
        pixels = erase(pixels, holes)
        pixels, targets = mix(pixels, targets, mixture)
    return tf.cast(tf.round(tf.clip_by_value(pixels, 0, 255)), tf.uint8), targets


def flip(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Mirrors every other image, on average, left to right."""
    chosen = tf.random.stateless_uniform([tf.shape(images)[0], 1, 1, 1], seed) < 0.5
    return tf.where(chosen, tf.reverse(images, [2]), images)


def random_resized_crop(pixels: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Enlarges a random window of each image to the image's size.

    Areas are uniform in `_SMALLEST_WINDOW` .. 1, aspects log-uniform up to `_ASPECT` either way; what would reach
    beyond the image is cut to its side.
    """
    batch = tf.shape(pixels)[0]
    area, aspect, top, left = tf.unstack(tf.random.stateless_uniform([4, batch], seed))
    area = _SMALLEST_WINDOW + (1 - _SMALLEST_WINDOW) * area
    aspect = _ASPECT ** (2 * aspect - 1)
    height, width = (tf.minimum(1.0, tf.sqrt(side)) for side in (area * aspect, area / aspect))
    top, left = top * (1 - height), left * (1 - width)
    boxes = tf.stack([top, left, top + height, left + width], axis=1)
    return tf.ensure_shape(
        tf.image.crop_and_resize(pixels, boxes, tf.range(batch), tf.shape(pixels)[1:3]), pixels.shape
    )


def jitter(pixels: tf.Tensor, seed: tf.Tensor, strength: float) -> tf.Tensor:
    """Changes brightness, contrast and saturation of each image by factors in 1 - strength .. 1 + strength.

    The three are linear in the pixels, so one 3 x 3 matrix and one offset per image do them all at once. Contrast is
    about the image's mean grey, saturation about each pixel's grey. Values may leave 0..255.
    """
    batch = tf.shape(pixels)[0]
    factors = tf.random.stateless_uniform([3, batch, 1, 1], seed, 1 - strength, 1 + strength)
    brightness, contrast, saturation = tf.unstack(factors)
    grey = tf.constant(_LUMA)
    to_grey = tf.tile(grey[:, None], [1, 3])  # pixels @ to_grey is each pixel's grey, three times
    matrix = brightness * contrast * (saturation * tf.eye(3) + (1 - saturation) * to_grey)
    mean = tf.reduce_sum(tf.reduce_mean(pixels, [1, 2]) * grey, axis=1)[:, None, None]
    offset = brightness * (1 - contrast) * mean
    flat = tf.reshape(pixels, [batch, -1, 3])
    return tf.reshape(flat @ matrix + offset, tf.shape(pixels))


def erase(pixels: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Fills a rectangle of a quarter of the images with their mean colour; it covers 2% to 33% of the image."""
    chance, box = tf.unstack(tf.random.split(seed))
    batch = tf.shape(pixels)[0]
    draws = tf.random.stateless_uniform([batch, 2], box)
    area = 0.02 + draws[:, 0] * (1 / 3 - 0.02)
    aspect = tf.exp((2 * draws[:, 1] - 1) * tf.math.log(1 / 0.3))
    inside = _rectangles(pixels, tf.sqrt(area * aspect), tf.sqrt(area / aspect), chance)
    chosen = tf.random.stateless_uniform([batch, 1, 1, 1], chance) < _ERASED
    return tf.where(inside & chosen, tf.reduce_mean(pixels, [1, 2], keepdims=True), pixels)


def mix(pixels: tf.Tensor, targets: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Mixes each image with the one that mirrors its place in the batch: mixup for half the batches, else CutMix.

    The share is drawn once a batch: uniform for CutMix, Beta(0.2, 0.2) for mixup, as their authors did on ImageNet.
    """
    which, share, place = tf.unstack(tf.random.split(seed, 3))
    partners, other = tf.reverse(pixels, [0]), tf.reverse(targets, [0])

    def mixup() -> tuple[tf.Tensor, tf.Tensor]:
        # Beta(a, a) as Gamma / (Gamma + Gamma).
        gamma = tf.random.stateless_gamma([2], share, 0.2)
        kept = tf.math.divide_no_nan(gamma[0], gamma[0] + gamma[1])
        return kept * pixels + (1 - kept) * partners, kept * targets + (1 - kept) * other

    def cutmix() -> tuple[tf.Tensor, tf.Tensor]:
        side = tf.sqrt(tf.random.stateless_uniform([tf.shape(pixels)[0]], share))
        inside = _rectangles(pixels, side, side, place)
        taken = tf.reduce_mean(tf.cast(inside, tf.float32), [1, 2])
        return tf.where(inside, partners, pixels), (1 - taken) * targets + taken * other

    return tf.cond(tf.random.stateless_uniform([], which) < 0.5, mixup, cutmix)


def _rectangles(pixels: tf.Tensor, height: tf.Tensor, width: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """bool[batch, height, width, 1]: one rectangle per image, of given fractions of its sides, anywhere within it."""
    shape = tf.cast(tf.shape(pixels), tf.float32)
    place = tf.random.stateless_uniform([2, tf.shape(pixels)[0]], seed)

    def band(size: tf.Tensor, fraction: tf.Tensor, at: tf.Tensor) -> tf.Tensor:
        length = tf.round(tf.clip_by_value(fraction, 0, 1) * size)
        start = tf.floor(at * (size - length + 1))
        line = tf.range(size)
        return (line >= start[:, None]) & (line < (start + length)[:, None])

    rows = band(shape[1], height, place[0])
    columns = band(shape[2], width, place[1])
    return rows[:, :, None, None] & columns[:, None, :, None]
