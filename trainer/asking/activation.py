"""Which places of a whole painting speak for whom? Class activation maps (Zhou et al. 2016, arXiv:1512.04150).

A head on averaged features is the same head asked about each place and averaged: the logits of a painting are the mean
of what its places say. So a network that looks at whole paintings, which cannot be asked about parts of them, shows
all the same where its answer comes from.
"""

from __future__ import annotations

import keras
import numpy as np

from trainer.errors import RunError


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
        found = self._maps.predict_on_batch(picture[None])
        maps = [np.asarray(found[f"{number}"])[0].astype(np.float64) for number in range(len(self._kernels))]
        rows, columns = min(each.shape[0] for each in maps), min(each.shape[1] for each in maps)
        said = np.full((rows, columns, len(self._bias)), self._bias, np.float64)
        for each, kernel in zip(maps, self._kernels, strict=True):
            said += _gathered(each @ kernel, rows, columns)
        return said


def _gathered(fine: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Places of a finer grid added up in the cells of a coarser one, so that the mean over the grid stays as it is."""
    share = rows * columns / (fine.shape[0] * fine.shape[1])
    cell = np.zeros((rows, columns, fine.shape[2]))
    row = np.arange(fine.shape[0]) * rows // fine.shape[0]
    column = np.arange(fine.shape[1]) * columns // fine.shape[1]
    np.add.at(cell, (row[:, None], column[None, :]), fine * share)
    return cell
