"""Grain: ArrayRecord files, a global shuffle by index, read in threads or processes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.readers.crops import crops, side

PER_SHARD = 4096


def prepare(folder: Path) -> None:
    """Writes folder/arrays: a record is the label's 8 bytes and the picture's."""
    from array_record.python.array_record_module import ArrayRecordWriter

    (folder / "arrays").mkdir()
    for number, shard in enumerate(batched(crops(folder), PER_SHARD)):
        writer = ArrayRecordWriter(str(folder / "arrays" / f"{number:05d}.array_record"), "group_size:1,uncompressed")
        for pixels, label in shard:
            writer.write(np.int64(label).tobytes() + pixels.tobytes())
        writer.close()


def batched(items: Iterator[Any], size: int) -> Iterator[Iterator[Any]]:
    """Runs of up to `size` items, each to be used up before the next."""
    for first in items:
        yield chain([first], islice(items, size - 1))


def _parse(size: int, record: bytes) -> tuple[np.ndarray, int]:
    return np.frombuffer(record, np.uint8, offset=8).reshape(size, size, 3), int.from_bytes(record[:8], "little")


def batches(folder: Path, batch: int, workers: int) -> Iterator[Any]:
    """In `workers` processes; with none, in threads."""
    import grain

    source = grain.sources.ArrayRecordDataSource(sorted(map(str, (folder / "arrays").iterdir())))
    read = grain.MapDataset.source(source).seed(0).shuffle().repeat().map(partial(_parse, side(folder)))
    read = read.batch(batch, drop_remainder=True).to_iter_dataset()
    return iter(read.mp_prefetch(grain.multiprocessing.MultiprocessingOptions(workers)) if workers else read)
