"""What does chance decide about a batch? Functions of (seed, number of the batch, place in the batch of all devices).

All of it is drawn on the host, a few numbers for each picture, so that every device sees the same: a CPU, a GPU, one
of two, or a step that XLA has compiled. TensorFlow's own generators differ between them.
"""

from __future__ import annotations

import numpy as np

CHANCES = (
    *("flip", "brightness", "contrast", "saturation"),
    *("erase", "erased_area", "erased_aspect", "erased_down", "erased_across"),
    *("mixup", "kept", "taken_area", "taken_down", "taken_across"),
)
"""What the columns of `draw_chances` are for, in `trainer.training.augment`."""

_SMALLEST = 0.2  # of the picture's area
_ASPECT = 4 / 3  # at most
_WINDOWS, _CHANCES = 2, 3  # what a draw is for; beside those of `trainer.data.order`


def draw_chances(seed: int, number: int, batch_size: int) -> np.ndarray:
    """The numbers that the augmentation of a batch is drawn from.

    Args:
      seed: of the run.
      number: of the batch in the run.
      batch_size: records of it, over all workers and devices.

    Returns:
      float32[batch_size, len(CHANCES)], uniform in 0..1, but for "kept": of Beta(0.2, 0.2), the same for the whole
      batch, as "mixup" is.
    """
    generator = np.random.default_rng([seed, number, _CHANCES])
    drawn = generator.random((batch_size, len(CHANCES)), np.float32)
    drawn[:, CHANCES.index("mixup")] = generator.random()
    drawn[:, CHANCES.index("kept")] = generator.beta(0.2, 0.2)
    return drawn


def draw_windows(seed: int, number: int, batch_size: int, size: int) -> np.ndarray:
    """The windows of a batch for --random_resized_crop, which shows a random one of each picture.

    A fifth to all of its area, enlarged or shrunk to what the network takes (Szegedy et al. 2014, arXiv:1409.4842), is
    an endless supply of crops, at many scales, where records show much of a painting. Windows are drawn before anything
    is decoded, so that no more is decoded than they need.

    Areas are uniform in `_SMALLEST` .. 1, aspects log-uniform up to `_ASPECT` either way; what would reach beyond the
    picture is cut to its side.

    Args:
      seed: of the run.
      number: of the batch in the run.
      batch_size: records of it, over all workers and devices.
      size: side of the pictures, in pixels.

    Returns:
      int64[batch_size, 4]: left, top, right and bottom of each, in whole pixels.
    """
    area, aspect, across, down = np.random.default_rng([seed, number, _WINDOWS]).random((4, batch_size))
    area = _SMALLEST + (1 - _SMALLEST) * area
    aspect = _ASPECT ** (2 * aspect - 1)
    sides = np.sqrt([area * aspect, area / aspect])
    width, height = np.clip(np.rint(size * sides), 1, size).astype(np.int64)
    left, top = (np.floor(at * (size - side + 1)).astype(np.int64) for at, side in ((across, width), (down, height)))
    return np.stack([left, top, left + width, top + height], axis=1)
