"""Blocks of shards in memory, and the batches that are put together from them.

A block's shards are read, whole and in one go, into memory that the block before the last has left, and a record's
picture is copied once, from there into its batch, in memory that an earlier batch has left. The next block is read
while one is used.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO, NamedTuple

import numpy as np

from pipeline.dataset.dataset import Dataset
from pipeline.dataset.index import Extent, Index, check
from pipeline.dataset.records import locate
from pipeline.errors import DamagedShardError
from trainer.data import order
from trainer.data.memory import PAGE, Lender, from_page
from trainer.data.order import Block
from trainer.data.pictures import Stored


class _Loaded(NamedTuple):
    """A block in memory: its shards' bytes, where its records lie in them, and which of them to emit, in order."""

    memory: np.ndarray
    found: Index
    positions: np.ndarray


class Blocks:
    """The training records of a dataset, shuffled; any batch of any epoch, and those that follow it fast.

    Safe to be called by several threads, but made for one that asks for batches in their order.
    """

    def __init__(self, dataset: Dataset, blocks: Callable[[int], list[Block]], seed: int, end: int) -> None:
        """`blocks` gives those of an epoch; epochs from `end` on are not read ahead."""
        self._dataset, self._contract = dataset, dataset.contract
        self._epoch_blocks = functools.lru_cache(maxsize=2)(blocks)
        self._seed, self._end = seed, end
        self._spare: list[np.ndarray] = []  # memory of blocks
        self._lender = Lender()
        self._loads: dict[tuple[int, int], Future[_Loaded]] = {}
        self._reader = ThreadPoolExecutor(1, "blocks")
        self._lock = threading.Lock()

    def take(
        self, epoch: int, first: int, count: int, windows: np.ndarray | None = None
    ) -> tuple[np.ndarray | list[Stored], np.ndarray]:
        """The records of an epoch from the `first` one on that it emits.

        Args:
          epoch, first, count: which.
          windows: int64[count, 4], the part of each picture that is wanted (`trainer.data.draws`).

        Returns:
          Pictures, and int64[count] labels. Pictures that are stored raw and wanted whole are uint8[count, size, size,
          3], whose memory is used again once nobody holds it, nor a view of it. Else there is one for each record: the
          window where they are stored raw, and the whole file where they are not.

        Raises:
          DamagedShardError: a shard is damaged.
          OSError: a shard cannot be read.
        """
        size = self._contract.scheme.size
        raw = self._contract.encoding == "raw"
        whole = self._lender.lend(count, size * size * 3) if raw and windows is None else None
        apart: list[Stored] = []
        labels = np.empty(count, np.int64)
        done = 0
        with self._lock:
            while done < count:
                number, offset = order.locate(self._epoch_blocks(epoch), first + done)
                memory, found, positions = self._load(epoch, number)
                chosen = positions[offset : offset + count - done]
                check(memory, found, chosen)
                labels[done : done + len(chosen)] = found.labels[chosen]
                for start, length in zip(found.starts[chosen].tolist(), found.lengths[chosen].tolist(), strict=True):
                    some = memory[start : start + length]
                    if whole is not None:
                        whole[done] = some
                    elif raw and windows is not None:
                        left, top, right, bottom = windows[done].tolist()
                        apart.append(some.reshape(size, size, 3)[top:bottom, left:right].copy())
                    else:
                        apart.append(some.tobytes())
                    done += 1
        return (apart if whole is None else whole.reshape(count, size, size, 3)), labels

    def _load(self, epoch: int, number: int) -> _Loaded:
        """A block; reading of the one after it starts."""
        after = (epoch, number + 1) if number + 1 < len(self._epoch_blocks(epoch)) else (epoch + 1, 0)
        wanted = [(epoch, number), *([after] if after[0] < self._end else [])]
        for key in [key for key in self._loads if key not in wanted]:
            self._spare.append(self._loads.pop(key).result().memory)
        for key in wanted:
            if key not in self._loads:
                self._loads[key] = self._reader.submit(self._read, *key)
        return self._loads[epoch, number].result()

    def _read(self, epoch: int, number: int) -> _Loaded:
        block = self._epoch_blocks(epoch)[number]
        shards = [self._contract.splits["train"][shard] for shard in block.shards]
        memory = from_page(sum(_pages(shard.bytes) for shard in shards), self._spare)
        extents, at = [], 0
        for shard in shards:
            extents.append(Extent(self._dataset.shard_path(shard), at, shard.bytes))
            with self._dataset.opened(shard) as stream:
                _fill(memory[at : at + shard.bytes], stream, extents[-1].path)
            at += _pages(shard.bytes)
        found = locate(memory, extents, shards, self._contract)
        if block.draws is not None:  # labels decide which records are emitted
            check(memory, found, np.arange(len(found.labels)))
        return _Loaded(memory, found, order.block_positions(block, number, found.labels, self._seed, epoch))


def _pages(size: int) -> int:
    """Bytes of the pages that `size` bytes take."""
    return -(-size // PAGE) * PAGE


def _fill(memory: np.ndarray, stream: BinaryIO, path: str) -> None:
    """Reads a file that has as many bytes as `memory`."""
    view, done = memory.data, 0
    while done < len(view):
        read = stream.readinto(view[done:])  # type: ignore[attr-defined]
        if not read:
            raise DamagedShardError(path, done, f"it ends there; it was sealed with {len(view)} bytes")
        done += read
