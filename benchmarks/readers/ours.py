"""This project's input pipeline, as training runs it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.readers import SHUFFLE_MIB
from pipeline.dataset.dataset import Dataset

EPOCHS = 1_000_000  # no end of them


def batches(folder: Path, batch: int, workers: int) -> Iterator[Any]:
    """Threads of one process, whatever `workers`."""
    from trainer.data.stream import Stream, training_batches

    del workers
    stream = Stream(Dataset.open(folder / "dataset"), batch, shuffle_mib=SHUFFLE_MIB, seed=0)
    return ((pictures, targets) for pictures, targets, _ in training_batches(stream, 0, epochs=EPOCHS))
