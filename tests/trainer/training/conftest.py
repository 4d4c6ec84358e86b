"""Weights to start from, for tests of runs that do."""

from __future__ import annotations

from pathlib import Path

import keras
import pytest

from trainer.network.models import create_backbone


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a backbone that has seen nothing: random features tell these paintings apart well enough."""
    keras.utils.set_random_seed(3)
    path = tmp_path_factory.mktemp("weights") / "resnet8.weights.h5"
    create_backbone("ResNet8", include_top=False, weights=None, input_shape=(32, 32, 3)).save_weights(path)
    return path
