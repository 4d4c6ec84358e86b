"""Hugging Face datasets: Arrow files as an iterable of shards, shuffled by shard and in a buffer."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks.readers.crops import buffered, crops, side

SHARDS = 16


def prepare(folder: Path) -> None:
    """Writes folder/arrow."""
    import datasets

    size = side(folder)
    columns = {"image": datasets.Array3D((size, size, 3), "uint8"), "label": datasets.Value("int64")}
    written = datasets.Dataset.from_generator(
        lambda: ({"image": pixels, "label": label} for pixels, label in crops(folder)),
        features=datasets.Features(columns),
        cache_dir=str(folder / "arrow_cache"),
        writer_batch_size=64,
    )
    written.save_to_disk(str(folder / "arrow"), num_shards=SHARDS)


def batches(folder: Path, batch: int, workers: int) -> Iterator[Any]:
    """In the `workers` processes of torch's DataLoader; with none, in this one."""
    import datasets

    stored = datasets.load_from_disk(str(folder / "arrow"))
    read = stored.to_iterable_dataset(num_shards=SHARDS).with_format("numpy" if not workers else "torch")
    read = read.shuffle(seed=0, buffer_size=buffered(side(folder)) // 8)
    loader = None
    if workers:
        from torch.utils.data import DataLoader

        loader = DataLoader(read, batch_size=batch, num_workers=workers, drop_last=True, persistent_workers=True)
    for epoch in count():
        read.set_epoch(epoch)
        for each in read.iter(batch, drop_last_batch=True) if loader is None else loader:
            yield each["image"], each["label"]
