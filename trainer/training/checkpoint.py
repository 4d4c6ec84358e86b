"""One checkpoint, one file: everything a run needs to resume as if it had not stopped.

The file is a NumPy archive (`numpy.load` opens it): one member per variable, and `state`, a JSON text. Each member
carries its CRC-32 and the archive's directory stands at its end, so that a file cut short or altered does not load.
It is written under a temporary name, flushed to the disk and renamed: a name that ends in .npz was complete once.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import MorelliError
from pipeline.storage import files

_STATE = "state"
_NAMES = "arrays"  # within the state: what else was written


class CheckpointError(MorelliError):
    """A checkpoint cannot be continued from by this run."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What was read.

    Attributes:
      path: of the file.
      arrays: the variables, by the names they were written under.
      state: the JSON value written with them.
    """

    path: Path
    arrays: dict[str, np.ndarray]
    state: dict[str, Any]


def write(folder: Path, step: int, arrays: Mapping[str, np.ndarray], state: Mapping[str, Any], keep: int) -> Path:
    """Writes the checkpoint of a step, then deletes all but the newest `keep`.

    Raises:
      CheckpointError: a floating-point array holds a NaN or an infinity. Nothing is written then.
    """
    broken = [name for name, array in arrays.items() if array.dtype.kind == "f" and not np.isfinite(array).all()]
    if broken:
        raise CheckpointError(
            f"After step {step}, {broken[0]} holds values that are not finite; the state is not worth keeping. "
            f"The last good one is {newest_path(folder) or 'lost: no checkpoint was written before'}."
        )
    path = path_of(folder, step)
    text = json.dumps({**state, _NAMES: sorted(arrays)})
    content: dict[str, Any] = {_STATE: np.frombuffer(text.encode(), np.uint8), **arrays}
    with files.stream(path) as stream:
        np.savez(stream, **content)
    files.remove_temporary(str(folder))  # of one that was killed while it wrote
    for old in _paths(folder)[keep:]:
        old.unlink()
    return path


def path_of(folder: Path, step: int) -> Path:
    """Where the checkpoint of a step lies."""
    return folder / f"step-{step:010d}.npz"


def newest_path(folder: Path) -> Path | None:
    """The newest checkpoint, unread; None where there is none."""
    return next(iter(_paths(folder)), None)


def read(path: Path) -> Checkpoint:
    """Reads a checkpoint whole.

    Raises:
      CheckpointError: the file is cut short or its bytes are not those that were written.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        state = json.loads(arrays.pop(_STATE).tobytes())
    except Exception as error:  # zipfile, zlib, NumPy and json say in many ways that bytes are not what was written
        raise CheckpointError(f"{path} is damaged ({error}).") from error
    names = state.pop(_NAMES, None)  # a damaged directory may lack some; older checkpoints have no list
    if names is not None and names != sorted(arrays):
        raise CheckpointError(f"{path} is damaged (it does not hold the variables that were written).")
    return Checkpoint(path, arrays, state)


def newest(folder: Path) -> Checkpoint | None:
    """The newest checkpoint of a folder that can be read; a damaged one is passed over, saying so. None: there is none.

    Raises:
      CheckpointError: there are checkpoints, and none can be read.
    """
    paths = _paths(folder)
    for path in paths:
        try:
            return read(path)
        except CheckpointError as error:
            logging.warning("%s Falling back to the checkpoint before it.", error)
    if paths:
        raise CheckpointError(
            f"None of the {len(paths)} checkpoints in {folder} can be read. Move the folder away to start anew."
        )
    return None


def _paths(folder: Path) -> list[Path]:
    """The checkpoints of a folder, newest first."""
    return sorted(folder.glob("step-*.npz"), reverse=True)
