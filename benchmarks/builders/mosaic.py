"""mosaicml-streaming: a process pool cuts, the parent writes MDS shards."""

from __future__ import annotations

import multiprocessing
from functools import partial
from pathlib import Path

from benchmarks.builders.pictures import Painting, cut
from pipeline.dataset.schemes import Scheme


def build(paintings: list[Painting], output: Path, scheme: Scheme, workers: int) -> None:
    """Writes columns "image" and "label"."""
    import streaming

    columns = {"image": f"ndarray:uint8:{scheme.size},{scheme.size},3", "label": "int"}
    with (
        multiprocessing.get_context("spawn").Pool(workers) as pool,
        streaming.MDSWriter(out=str(output), columns=columns) as writer,
    ):
        every = pool.imap(partial(cut, scheme=scheme), paintings, chunksize=8)
        for painting, pictures in zip(paintings, every, strict=True):
            for picture in pictures:
                writer.write({"image": picture, "label": painting.label})
