"""Every record of a split exactly once, in the order of its shards: for validation, evaluation and pictures in reports.

Shards are read whole, one ahead of the other, by our own reader: TensorFlow's ends the process where a record claims to
be longer than any memory.
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from pipeline.dataset.contract import Shard
from pipeline.dataset.dataset import Dataset
from pipeline.dataset.index import Extent, Index, check
from pipeline.dataset.pixels import UndecodableError
from pipeline.dataset.records import locate, painting_ids, undecodable
from trainer.data.pictures import make_pictures, resize_all
from trainer.data.stream import PREFETCH

Batch = dict[str, Any]


class _Part(NamedTuple):
    """Some records of a shard in memory."""

    memory: np.ndarray
    found: Index
    records: np.ndarray


def evaluation_batches(dataset: Dataset, split: str, batch_size: int, side: int | None = None) -> Iterator[Batch]:
    """Every record of a split exactly once, in shard order; the last batch may be smaller.

    Args:
      dataset, split: of which records.
      batch_size: of them, at once.
      side: of the pictures, in pixels, as a network asks for it; None: as large as the records'.

    Returns:
      Dicts as `parse.parse_batch` gives them. Iterate inside `damage_named` to have a picture that cannot be decoded
      named as well.

    Raises:
      DatasetError: there is no such split, or a shard is missing.
      DamagedShardError: a shard has another size; or, while iterating, a record is damaged or none of such a dataset.
    """
    dataset.check_shards(split)
    parts = _batches_of_parts(dataset, dataset.contract.splits[split], batch_size)
    return _ahead(dataset, parts, functools.partial(_with_pictures, side=side))


def shard_batches(
    dataset: Dataset, shards: Sequence[Shard], batch_size: int, side: int | None = None
) -> Iterator[Batch]:
    """The same of some shards, where no batch holds records of two: what becomes of a shard depends on it alone."""
    parts = _batches_of_parts(dataset, shards, batch_size, mixed=False)
    return _ahead(dataset, parts, functools.partial(_with_pictures, side=side))


def listed_batches(dataset: Dataset, shards: Sequence[Shard], batch_size: int) -> Iterator[Batch]:
    """The same as `shard_batches`, in the same order, without the pictures: none is decoded."""
    return _ahead(dataset, _batches_of_parts(dataset, shards, batch_size, mixed=False), _without_pictures)


def _ahead(
    dataset: Dataset, parts: Iterator[list[_Part]], made: Callable[[Dataset, list[_Part]], Batch]
) -> Iterator[Batch]:
    """The batches, some of which are ready before they are asked for."""
    waiting: deque[Future[Batch | None]] = deque()

    def next_batch() -> Batch | None:
        taken = next(parts, None)
        return made(dataset, taken) if taken else None

    # A thread of Python, not of tf.data: that would call Python from its own, which cannot end while a process does.
    with ThreadPoolExecutor(1, "evaluation") as reader:
        while True:
            while len(waiting) <= PREFETCH:
                waiting.append(reader.submit(next_batch))
            batch = waiting.popleft().result()
            if batch is None:
                return
            yield batch


def _batches_of_parts(
    dataset: Dataset, shards: Sequence[Shard], batch_size: int, mixed: bool = True
) -> Iterator[list[_Part]]:
    """Where the records of each batch lie: a `mixed` one may begin in one shard and end in another."""
    parts: list[_Part] = []
    missing = batch_size
    for shard in shards:
        memory, found = _read(dataset, shard)
        at = 0
        while at < shard.records:
            taken = min(missing, shard.records - at)
            parts.append(_Part(memory, found, np.arange(at, at + taken)))
            at, missing = at + taken, missing - taken
            if not missing:
                yield parts
                parts, missing = [], batch_size
        if parts and not mixed:
            yield parts
            parts, missing = [], batch_size
    if parts:
        yield parts


def _read(dataset: Dataset, shard: Shard) -> tuple[np.ndarray, Index]:
    """A whole shard in memory, and its records. Raises DamagedShardError."""
    path = dataset.shard_path(shard)
    with dataset.opened(shard) as stream:
        memory = np.frombuffer(stream.read(), np.uint8)
    return memory, locate(memory, [Extent(path, 0, len(memory))], [shard], dataset.contract)


def _with_pictures(dataset: Dataset, parts: list[_Part], side: int | None) -> Batch:
    return {**_without_pictures(dataset, parts), "image": _pictures(dataset, parts, side)}


def _without_pictures(dataset: Dataset, parts: list[_Part]) -> Batch:
    for part in parts:
        check(*part)
    indexes = [(part.found, part.records) for part in parts]
    return {
        "label": np.concatenate([found.labels[records] for found, records in indexes]),
        "painting_id": np.array([name.encode() for part in parts for name in painting_ids(*part)], object),
        "crop_index": np.concatenate([found.crop_indexes[records] for found, records in indexes]),
        "crop_box": np.concatenate([found.crop_boxes[records] for found, records in indexes]),
        "source_size": np.concatenate([found.source_sizes[records] for found, records in indexes]),
    }


def _pictures(dataset: Dataset, parts: list[_Part], side: int | None) -> np.ndarray:
    """uint8[records, side, side, 3]."""
    size = dataset.contract.scheme.size
    stored = [
        part.memory[start : start + length]
        for part in parts
        for start, length in zip(
            part.found.starts[part.records].tolist(), part.found.lengths[part.records].tolist(), strict=True
        )
    ]
    if dataset.contract.encoding == "raw":
        return resize_all(np.stack(stored).reshape(-1, size, size, 3), side or size)
    return make_pictures([picture.tobytes() for picture in stored], dataset.contract, side)


def count_classes(dataset: Dataset) -> np.ndarray:
    """int64[shards, classes]: how many records of each class each training shard holds. Reads the split once."""
    classes = len(dataset.contract.labels)
    counts = []
    for shard in dataset.contract.splits["train"]:
        memory, found = _read(dataset, shard)
        check(memory, found, np.arange(shard.records))
        counts.append(np.bincount(found.labels, minlength=classes))
    return np.stack(counts)


@contextmanager
def damage_named(dataset: Dataset, split: str) -> Iterator[None]:
    """Turns a decoder's word that some picture cannot be decoded into one that says which, where and what to do.

    Raises:
      DamagedShardError: in place of an UndecodableError.
    """
    try:
        yield
    except UndecodableError:
        for shard in dataset.contract.splits[split]:
            path = dataset.shard_path(shard)
            with dataset.opened(shard) as stream:
                if error := undecodable(stream, path, dataset.contract):
                    raise error from None
        raise
