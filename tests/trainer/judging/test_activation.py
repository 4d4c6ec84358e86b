"""Maps of runs on whole paintings."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.errors import RunError
from trainer.judging.activation import ActivationMaps, _gathered
from trainer.network import models
from trainer.network.models import Design


@pytest.mark.parametrize(("backbone", "size"), [("ResNet8", 64), ("MobileNet", 72)])
@pytest.mark.parametrize("stages", [False, True])
def test_what_places_say_is_in_the_mean_what_the_network_says(backbone: str, size: int, stages: bool) -> None:
    network = models.build(Design(backbone, size, size, 4, 0.3, grayscale=False, stages=stages))
    picture = np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8)
    said = ActivationMaps(network.model)(picture)
    logits = keras.Model(network.model.input, network.model.get_layer("logits").output)(picture[None])
    assert said.shape[0] > 1
    np.testing.assert_allclose(said.mean(axis=(0, 1)), np.asarray(logits)[0], rtol=1e-3, atol=1e-4)


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 9), st.integers(0, 9))
def test_a_coarser_grid_keeps_the_mean(rows: int, columns: int, down: int, across: int) -> None:
    fine = np.random.default_rng(0).normal(size=(rows + down, columns + across, 2))
    np.testing.assert_allclose(_gathered(fine, rows, columns).mean(axis=(0, 1)), fine.mean(axis=(0, 1)))


def test_a_network_built_by_somebody_else_is_said_to_have_no_map() -> None:
    inputs = keras.Input((8, 8, 3), dtype="uint8")
    flat = keras.layers.Flatten(name="embedding")(keras.layers.Rescaling(1.0)(inputs))
    with pytest.raises(RunError, match="no map"):
        ActivationMaps(keras.Model(inputs, keras.layers.Dense(3)(flat)))
