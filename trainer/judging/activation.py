"""Which places of a whole painting speak for whom? Class activation maps (Zhou et al. 2016, arXiv:1512.04150).

A head on averaged features is the same head asked about each place and averaged: the logits of a painting are the mean
of what its places say. So a network that looks at whole paintings, which cannot be asked about parts of them, shows
all the same where its answer comes from.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import keras
import numpy as np
from scipy.special import softmax

from trainer.errors import RunError
from trainer.judging.calibration import calibrated


@dataclass(frozen=True, slots=True)
class Region:
    """A window (left, top, right, bottom, in pixels of the picture) and its probabilities float64[artists]."""

    box: tuple[float, float, float, float]
    probabilities: np.ndarray


class ActivationMaps:
    """Logits of places instead of pictures.

    Raises:
      RunError: the network is not built as this project builds them: averaged feature maps, then one dense layer.
    """

    def __init__(self, model: keras.Model) -> None:
        """`model`: of `evaluation.load_model`."""
        try:
            embedding, dense = model.get_layer("embedding"), model.get_layer("logits")
            joins = isinstance(embedding, keras.layers.Concatenate)
            pools = [tensor._keras_history.operation for tensor in embedding.input] if joins else [embedding]
            self._maps = keras.Model(model.input, {f"{number}": pool.input for number, pool in enumerate(pools)})
            kernel, bias = (np.asarray(weight) for weight in dense.get_weights())
        except (ValueError, AttributeError) as error:
            raise RunError(
                "This run's network has no averaged feature maps below its last layer, and so no map can be drawn of "
                f"it ({error}). Networks that trainer.main has trained have them."
            ) from error
        ends = np.cumsum([pool.input.shape[-1] for pool in pools])[:-1]
        self._kernels = np.split(kernel, ends)
        self._bias = bias

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """What the places of a picture say.

        Args:
          picture: uint8[size, size, 3], a record of the run's scheme.

        Returns:
          float64[rows, columns, artists], on the grid of the coarsest feature map. The mean over places is the logits
          that the network gives for the picture.
        """
        (said,) = self._places(picture[None])
        return said

    def _places(self, pictures: np.ndarray) -> Iterator[np.ndarray]:
        """`__call__` of each of uint8[count, size, size, 3]."""
        found = self._maps.predict_on_batch(pictures)
        every = [np.asarray(found[f"{number}"]).astype(np.float64) for number in range(len(self._kernels))]
        for maps in zip(*every, strict=True):
            yield self._said(maps)

    def _said(self, maps: Sequence[np.ndarray]) -> np.ndarray:
        rows, columns = min(each.shape[0] for each in maps), min(each.shape[1] for each in maps)
        said = np.full((rows, columns, len(self._bias)), self._bias, np.float64)
        for each, kernel in zip(maps, self._kernels, strict=True):
            said += _gathered(each @ kernel, rows, columns)
        return said

    def regions(self, records: np.ndarray, boxes: np.ndarray, temperature: float) -> Iterator[list[Region]]:
        """What the places of each record say.

        Args:
          records: uint8[count, size, size, 3].
          boxes: float32[count, 4], left, top, right and bottom of each, in pixels of the picture it was cut from.
          temperature: that makes scores probabilities.
        """
        for logits, (left, top, right, bottom) in zip(self._places(records), boxes.tolist(), strict=True):
            said = calibrated(softmax(logits, axis=-1), temperature)
            rows, columns = said.shape[:2]
            wide, high = (right - left) / columns, (bottom - top) / rows
            yield [
                Region(
                    (left + column * wide, top + row * high, left + (column + 1) * wide, top + (row + 1) * high),
                    said[row, column],
                )
                for row in range(rows)
                for column in range(columns)
            ]


def _gathered(fine: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Places of a finer grid added up in the cells of a coarser one, so that the mean over the grid stays as it is."""
    share = rows * columns / (fine.shape[0] * fine.shape[1])
    cell = np.zeros((rows, columns, fine.shape[2]))
    row = np.arange(fine.shape[0]) * rows // fine.shape[0]
    column = np.arange(fine.shape[1]) * columns // fine.shape[1]
    np.add.at(cell, (row[:, None], column[None, :]), fine * share)
    return cell
