"""python -m tests.trainer.network.loading FOLDER: scores pictures.npy by every network there, without this project."""

import sys
from pathlib import Path

import keras
import numpy as np

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    for path in folder.glob("*.keras"):
        model = keras.models.load_model(path)
        assert model.get_layer("embedding").output.dtype == model.get_layer("scores").output.dtype == "float32"
        np.save(path.with_suffix(".npy"), model(np.load(folder / "pictures.npy"), training=False))
    assert not any(name.split(".")[0] in ("trainer", "pipeline") for name in sys.modules)
