"""mosaicml-streaming: MDS shards, shuffled by its own order, through torch's DataLoader."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.readers.crops import crops, side


def prepare(folder: Path) -> None:
    """Writes folder/mds."""
    import streaming

    size = side(folder)
    columns = {"image": f"ndarray:uint8:{size},{size},3", "label": "int"}
    with streaming.MDSWriter(out=str(folder / "mds"), columns=columns) as writer:
        for pixels, label in crops(folder):
            writer.write({"image": pixels, "label": label})


def batches(folder: Path, batch: int, workers: int) -> Iterator[Any]:
    """Read in `workers` processes."""
    import streaming
    from torch.utils.data import DataLoader

    streaming.base.util.clean_stale_shared_memory()
    read = streaming.StreamingDataset(local=str(folder / "mds"), shuffle=True, shuffle_seed=0, batch_size=batch)
    loader = DataLoader(read, batch_size=batch, num_workers=workers, drop_last=True, persistent_workers=True)
    while True:
        for each in loader:
            yield each["image"], each["label"]
