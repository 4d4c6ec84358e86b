"""WebDataset: a process pool cuts, the parent writes tar files with ShardWriter."""

from __future__ import annotations

import multiprocessing
from functools import partial
from pathlib import Path

from benchmarks.builders.pictures import Painting, cut
from pipeline.dataset.schemes import Scheme

PER_SHARD = 2048  # records


def build(paintings: list[Painting], output: Path, scheme: Scheme, workers: int) -> None:
    """Writes members KEY.pixels and KEY.cls."""
    import webdataset

    output.mkdir(parents=True, exist_ok=True)
    with (
        multiprocessing.get_context("spawn").Pool(workers) as pool,
        webdataset.ShardWriter(str(output / "%05d.tar"), maxcount=PER_SHARD, verbose=0) as writer,
    ):
        every = pool.imap(partial(cut, scheme=scheme), paintings, chunksize=8)
        for number, (painting, pictures) in enumerate(zip(paintings, every, strict=True)):
            for at, picture in enumerate(pictures):
                key = f"{number:07d}-{at:02d}"
                writer.write({"__key__": key, "pixels": picture.tobytes(), "cls": painting.label})
