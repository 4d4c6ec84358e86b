"""What of a run's network on disk cannot be opened."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from trainer.errors import RunError
from trainer.network import models
from trainer.network.saved import load_network


def test_a_saved_network_answers_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    path = tmp_path / "best.keras"
    with pytest.raises(RunError, match=r"Expected best\.keras in .*no run, or one that has not finished"):
        load_network(path)
    design = models.Design("ResNet8", 32, 32, 4, 0.0, grayscale=False)
    models.save(models.build(design).model, design, path)
    assert np.asarray(load_network(path)(np.zeros((1, 32, 32, 3), np.uint8))).shape == (1, 4)
    whole = path.read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], whole[:1000] + bytes(5000) + whole[6000:]):
        path.write_bytes(damaged)
        with pytest.raises(RunError, match=r"best\.keras cannot be read as a Keras network"):
            load_network(path)
