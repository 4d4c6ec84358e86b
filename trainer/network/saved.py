"""A network as a run keeps it on disk, opened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from trainer.errors import RunError

if TYPE_CHECKING:
    import keras


def load_network(path: Path) -> keras.Model:
    """The network of a .keras file: uint8[batch, size, size, 3] in; scores float32[batch, artists] out.

    It is loaded in Keras's safe mode, in which the file of somebody else can run nothing.

    Raises:
      RunError: there is no such file, or it is damaged.
    """
    import keras

    if not path.exists():
        raise RunError(f"Expected {path.name} in {path.parent}: no run, or one that has not finished its first epoch.")
    try:
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras, HDF5 and zipfile say in as many ways that a file is damaged
        raise RunError(
            f"{path} cannot be read as a Keras network ({type(error).__name__}): it is damaged, or was written by a "
            "newer Keras. Copy it again from where it came, or train the run again."
        ) from error
