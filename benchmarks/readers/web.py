"""WebDataset: tar files, shuffled by shard and in a buffer, batched in the workers of a WebLoader."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.readers.crops import buffered, crops, side

PER_SHARD = 1024


def prepare(folder: Path) -> None:
    """Writes folder/tars."""
    import webdataset

    (folder / "tars").mkdir()
    with webdataset.ShardWriter(str(folder / "tars" / "%05d.tar"), maxcount=PER_SHARD, verbose=0) as writer:
        for number, (pixels, label) in enumerate(crops(folder)):
            writer.write({"__key__": f"{number:07d}", "pixels": pixels.tobytes(), "cls": label})


def _picture(size: int, pixels: bytes) -> np.ndarray:
    return np.frombuffer(pixels, np.uint8).reshape(size, size, 3)


def batches(folder: Path, batch: int, workers: int) -> Iterator[Any]:
    """Shards are dealt to `workers` processes."""
    import webdataset

    paths, size = sorted(map(str, (folder / "tars").iterdir())), side(folder)
    read = (
        webdataset.WebDataset(paths, shardshuffle=len(paths), seed=0, empty_check=False)
        .shuffle(buffered(size) // workers, seed=0)
        .to_tuple("pixels", "cls")
        .map_tuple(partial(_picture, size), int)
        .batched(batch, partial=False)
    )
    return iter(webdataset.WebLoader(read, batch_size=None, num_workers=workers, persistent_workers=True).repeat())
