"""Shards -> batches, in an order that is a function of (seed, epoch) alone.

Training: blocks of shards (`trainer.data.order`) lie in memory (`trainer.data.blocks`), and batches are gathered from
them in permuted order. What is handed over is uint8, cut and shrunk to what the network takes; the rest is done on the
device (`trainer.training.augment`). Raw records that are wanted whole are copied into their batch, and nothing else is
called for each of them, which is what limits most pipelines of small records. And no record keeps an allocation of its
own: as strings in a shuffle buffer, allocated by one thread and freed by another, they fragment the heap, which grows
for an epoch.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from pipeline.dataset.dataset import Dataset
from trainer.data import order
from trainer.data.blocks import Blocks
from trainer.data.draws import draw_chances, draw_windows
from trainer.data.memory import Lender
from trainer.data.pictures import Stored, fill_pictures

PREFETCH = 3  # batches ready ahead of the step; more only costs memory

Batch = tuple[tf.Tensor, tf.Tensor, tf.Tensor]
Taken = tuple[np.ndarray | list[Stored], np.ndarray]
PARALLEL = min(8, os.cpu_count() or 1)  # fixed, where AUTOTUNE would let buffers and memory grow during a run


@dataclass(frozen=True, slots=True)
class Stream:
    """Everything that decides the training batches of a run, except the epoch.

    Attributes:
      dataset: whose training split is read.
      batch_size: records of a step, over all workers and devices.
      shuffle_mib: memory for shuffling, as if all pictures were raw. Half is the block in use, half is the next one.
      seed: of order, windows and augmentation.
      side: of the pictures that are handed over, in pixels; None: the dataset's.
      resized_crop: whether each is a random window of its record (`trainer.data.draws`).
      class_counts: int64[shards, classes] to emit all classes equally often; None emits each record once.
      worker, workers: this process takes the `worker`-th of `workers` equal parts of each batch.
    """

    dataset: Dataset
    batch_size: int
    shuffle_mib: int
    seed: int
    side: int | None = None
    resized_crop: bool = False
    class_counts: np.ndarray | None = None
    worker: int = 0
    workers: int = 1

    def blocks(self, epoch: int) -> list[order.Block]:
        """The blocks of an epoch, in reading order."""
        counts = [shard.records for shard in self.dataset.contract.splits["train"]]
        picture = self.dataset.contract.scheme.size**2 * 3
        return order.epoch_blocks(
            counts,
            [count * picture for count in counts],
            (self.shuffle_mib << 20) // 2,
            self.seed,
            epoch,
            self.class_counts,
        )

    @property
    def steps_per_epoch(self) -> int:
        """Full batches in an epoch; the same in every epoch. What is left over waits for another order."""
        return sum(block.length for block in self.blocks(0)) // self.batch_size

    @property
    def part(self) -> int:
        """Records of a batch that this worker gets."""
        return self.batch_size // self.workers

    @property
    def handed(self) -> tuple[int, int, int]:
        """The shape of a picture as it is handed over."""
        side = self.side or self.dataset.contract.scheme.size
        return (side, side, 3)

    def windows(self, number: int) -> np.ndarray | None:
        """This worker's windows of the `number`-th batch of the run."""
        if not self.resized_crop:
            return None
        return self._mine(draw_windows(self.seed, number, self.batch_size, self.dataset.contract.scheme.size))

    def chances(self, number: int) -> np.ndarray:
        """What the augmentation of this worker's pictures in the `number`-th batch is drawn from."""
        return self._mine(draw_chances(self.seed, number, self.batch_size))

    def _mine(self, drawn: np.ndarray) -> np.ndarray:
        return drawn[self.worker * self.part :][: self.part]


@dataclass(slots=True)
class Waits:
    """Seconds that whoever takes batches has waited: for records to be read, and for their pictures to be made."""

    reading: float = 0.0
    making: float = 0.0


def training_batches(
    stream: Stream,
    epoch: int,
    first: int = 0,
    epochs: int = 1,
    deliver: Callable[[Batch], Any] = lambda batch: batch,
    waits: Waits | None = None,
) -> Iterator[Any]:
    """The batches of an epoch from the `first` one on, then those of the epochs after it, `epochs` in all.

    Starting later costs the reading of one block, not of what lies before it. The next epoch is being read when one
    ends.

    Args:
      stream: of which data, and how.
      epoch, first, epochs: which batches.
      deliver: called with each batch ahead of its turn, in another thread, to bring it to the devices.
      waits: what is waited for is added to it.

    Yields:
      What `deliver` makes of (image uint8[part, side, side, 3], one-hot target float32[part, classes], chances
      float32[part, ...] of `draws.draw_chances`).

    Raises:
      DamagedShardError, OSError: a shard is damaged, or cannot be read.
      UndecodableError: a picture is damaged; iterate inside `evaluation.damage_named` to have it named.
    """
    steps = stream.steps_per_epoch
    blocks = Blocks(stream.dataset, stream.blocks, stream.seed, epoch + epochs)
    lender = Lender()
    one_hot = np.eye(len(stream.dataset.contract.labels), dtype=np.float32)

    def take(number: int) -> Taken:
        current, step = divmod(number, steps)
        first = step * stream.batch_size + stream.worker * stream.part
        return blocks.take(current, first, stream.part, stream.windows(number))

    def prepare(number: int, taken: Future[Taken]) -> Any:
        stored, labels = taken.result()
        pictures = _handed_over(stream, number, stored, lender)
        # DLPack hands memory over as it is; convert_to_tensor would copy it, into pages that are new.
        images = tf.experimental.dlpack.from_dlpack(pictures.__dlpack__())
        return deliver((images, tf.constant(one_hot[labels]), tf.constant(stream.chances(number))))

    waits = waits or Waits()
    ahead: deque[tuple[Future[Taken], Future[Any]]] = deque()

    def next_batch() -> Any:
        taken, prepared = ahead.popleft()
        asked = time.perf_counter()
        wait([taken])
        read = time.perf_counter()
        batch = prepared.result()
        waits.reading += read - asked
        waits.making += time.perf_counter() - read
        return batch

    # Threads of Python, not of tf.data: that would call Python from its own, which cannot end while a process does.
    with ThreadPoolExecutor(1, "take") as taker, ThreadPoolExecutor(PARALLEL, "prepare") as preparers:
        for number in range(epoch * steps + first, (epoch + epochs) * steps):
            taken = taker.submit(take, number)
            ahead.append((taken, preparers.submit(prepare, number, taken)))
            if len(ahead) > PREFETCH:
                yield next_batch()
        while ahead:
            yield next_batch()


def _handed_over(stream: Stream, number: int, stored: np.ndarray | list[Stored], lender: Lender) -> np.ndarray:
    """uint8[part, side, side, 3] of a batch's records."""
    if isinstance(stored, np.ndarray) and stored.shape[1:] == stream.handed:
        return stored
    pictures = lender.lend(len(stored), *stream.handed)
    fill_pictures(pictures, list(stored), stream.dataset.contract, stream.windows(number))
    return pictures
