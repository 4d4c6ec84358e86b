"""Augmentation of batches, on the device: the same pictures and chances always give the same result.

It is a part of the training step, so that the host only decodes and cuts (`trainer.data`). Pictures come and go as
uint8, so that training sees what the saved model takes. Everything is a handful of operations on the whole batch.

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

import tensorflow as tf

from trainer.data.draws import CHANCES

_JITTER = {"light": 0.1, "strong": 0.3}
_ERASED = 0.25  # share of images that lose a rectangle
_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601

Chances = dict[str, tf.Tensor]
"""Of each of `draws.CHANCES`, float32[count]."""


def augment(images: tf.Tensor, targets: tf.Tensor, chances: tf.Tensor, level: str) -> tuple[tf.Tensor, tf.Tensor]:
    """Augments what a device holds of a batch.

    Args:
      images: uint8[count, height, width, 3]; for "strong", an even number, unless they are all of the batch.
      targets: float32[count, classes], rows sum to 1.
      chances: float32[count, ...] of `draws.draw_chances`.
      level: none, light or strong.

    Returns:
      Images and targets of the same shapes and dtypes.
    """
    if level == "none":
        return images, targets
    drawn = dict(zip(CHANCES, tf.unstack(chances, axis=1), strict=True))
    pixels = jitter(tf.cast(flip(images, drawn), tf.float32), drawn, _JITTER[level])
    if level == "strong":
        pixels, targets = mix(erase(pixels, drawn), targets, drawn)
    return tf.cast(tf.round(tf.clip_by_value(pixels, 0, 255)), tf.uint8), targets


def flip(images: tf.Tensor, drawn: Chances) -> tf.Tensor:
    """Mirrors every other image, on average, left to right."""
    return tf.where(_each(drawn["flip"]) < 0.5, tf.reverse(images, [2]), images)


def jitter(pixels: tf.Tensor, drawn: Chances, strength: float) -> tf.Tensor:
    """Changes brightness, contrast and saturation of each image by factors in 1 - strength .. 1 + strength.

    The three are linear in the pixels, so one 3 x 3 matrix and one offset per image do them all at once. Contrast is
    about the image's mean grey, saturation about each pixel's grey. Values may leave 0..255.
    """
    names = ("brightness", "contrast", "saturation")
    brightness, contrast, saturation = (1 + strength * (2 * drawn[name][:, None, None] - 1) for name in names)
    grey = tf.constant(_LUMA)
    to_grey = tf.tile(grey[:, None], [1, 3])  # pixels @ to_grey is each pixel's grey, three times
    matrix = brightness * contrast * (saturation * tf.eye(3) + (1 - saturation) * to_grey)
    mean = tf.reduce_sum(tf.reduce_mean(pixels, [1, 2]) * grey, axis=1)[:, None, None]
    offset = brightness * (1 - contrast) * mean
    flat = tf.reshape(pixels, [pixels.shape[0], -1, 3])
    return tf.reshape(flat @ matrix + offset, tf.shape(pixels))


def erase(pixels: tf.Tensor, drawn: Chances) -> tf.Tensor:
    """Fills a rectangle of a quarter of the images with their mean colour; it covers 2% to 33% of the image."""
    area = 0.02 + drawn["erased_area"] * (1 / 3 - 0.02)
    aspect = tf.exp((2 * drawn["erased_aspect"] - 1) * tf.math.log(1 / 0.3))
    sides = tf.sqrt(area * aspect), tf.sqrt(area / aspect)
    inside = _rectangles(pixels, *sides, drawn["erased_down"], drawn["erased_across"])
    chosen = _each(drawn["erase"]) < _ERASED
    return tf.where(inside & chosen, tf.reduce_mean(pixels, [1, 2], keepdims=True), pixels)


def mix(pixels: tf.Tensor, targets: tf.Tensor, drawn: Chances) -> tuple[tf.Tensor, tf.Tensor]:
    """Mixes the pictures of each pair: mixup for half the batches, else CutMix.

    The share is drawn for the batch with mixup, and for each picture with CutMix, as their authors did on ImageNet.
    """
    partners, other = _swapped(pixels), _swapped(targets)

    def mixup() -> tuple[tf.Tensor, tf.Tensor]:
        kept = drawn["kept"][0]
        return kept * pixels + (1 - kept) * partners, kept * targets + (1 - kept) * other

    def cutmix() -> tuple[tf.Tensor, tf.Tensor]:
        side = tf.sqrt(drawn["taken_area"])
        inside = _rectangles(pixels, side, side, drawn["taken_down"], drawn["taken_across"])
        taken = tf.reduce_mean(tf.cast(inside, tf.float32), [1, 2])
        return tf.where(inside, partners, pixels), (1 - taken) * targets + taken * other

    mixed: tuple[tf.Tensor, tf.Tensor] = tf.cond(drawn["mixup"][0] < 0.5, mixup, cutmix)
    return mixed


def _each(values: tf.Tensor) -> tf.Tensor:
    """float32[count, 1, 1, 1], for images."""
    return values[:, None, None, None]


def _swapped(values: tf.Tensor) -> tf.Tensor:
    """The first and the second in each other's place, and so on; the last of an odd number stays."""
    count = values.shape[0]
    return tf.gather(values, [at ^ 1 if at ^ 1 < count else at for at in range(count)])


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
