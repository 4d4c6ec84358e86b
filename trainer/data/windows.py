"""Which part of each picture does training see? Random windows, a function of (seed, batch, place in the batch).

--random_resized_crop shows a random window of each record, a fifth to all of its area, enlarged or shrunk to what the
network takes (Szegedy et al. 2014, arXiv:1409.4842): an endless supply of crops, at many scales, where records show
much of a painting. Windows are drawn before anything is decoded, so that no more is decoded than they need.
"""

from __future__ import annotations

import numpy as np

_SMALLEST = 0.2  # of the picture's area
_ASPECT = 4 / 3  # at most
_WINDOWS = 2  # what a draw is for; beside those of `trainer.data.order`


def draw_windows(seed: int, number: int, batch_size: int, size: int) -> np.ndarray:
    """The windows of a batch.

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
