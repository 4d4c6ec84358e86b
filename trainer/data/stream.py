"""Shards -> batches, in an order that is a function of (seed, epoch) alone.

Training: blocks of shards (`trainer.data.order`) lie in memory (`trainer.data.blocks`), and batches are gathered from
them in permuted order. No function of TensorFlow is ever called for a single record, which is what limits most
pipelines of small records. And no record keeps an allocation of its own: as strings in a shuffle buffer, allocated by
one thread and freed by another, they fragment the heap, which grows for an epoch.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from pipeline.dataset.dataset import Dataset
from trainer.data import augment, order
from trainer.data.blocks import Blocks
from trainer.data.parse import decode_images

PREFETCH = 3  # batches ready ahead of the step; more only costs memory

Batch = tuple[tf.Tensor, tf.Tensor]
PARALLEL = min(8, os.cpu_count() or 1)  # fixed, where AUTOTUNE would let buffers and memory grow during a run


@dataclass(frozen=True, slots=True)
class Stream:
    """Everything that decides the training batches of a run, except the epoch.

    Attributes:
      dataset: whose training split is read.
      batch_size: records of a step, over all workers and devices.
      shuffle_mib: memory for shuffling, as if all pictures were raw. Half is the block in use, half is the next one.
      seed: of order and augmentation.
      augmentation: a level of `trainer.data.augment`.
      resized_crop: whether its `random_resized_crop` is on.
      class_counts: int64[shards, classes] to emit all classes equally often; None emits each record once.
      worker, workers: this process takes the `worker`-th of `workers` equal parts of each batch.
    """

    dataset: Dataset
    batch_size: int
    shuffle_mib: int
    seed: int
    augmentation: str = "none"
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


def training_batches(
    stream: Stream, epoch: int, first: int = 0, epochs: int = 1, deliver: Callable[[Batch], Any] = lambda batch: batch
) -> Iterator[Any]:
    """The batches of an epoch from the `first` one on, then those of the epochs after it, `epochs` in all.

    Starting later costs the reading of one block, not of what lies before it. The next epoch is being read when one
    ends.

    Args:
      stream: of which data, and how.
      epoch, first, epochs: which batches.
      deliver: called with each batch ahead of its turn, in another thread, to bring it to the devices.

    Yields:
      What `deliver` makes of (image uint8[part, size, size, 3], target float32[part, classes]); a target sums to 1 and
      is one-hot unless the augmentation mixes images.

    Raises:
      DamagedShardError, OSError: a shard is damaged, or cannot be read.
    """
    steps = stream.steps_per_epoch
    blocks = Blocks(stream.dataset, stream.blocks, stream.seed, epoch + epochs)
    finish = _finisher(stream)

    def take(number: int) -> tuple[np.ndarray, np.ndarray]:
        current, step = divmod(number, steps)
        return blocks.take(current, step * stream.batch_size + stream.worker * stream.part, stream.part)

    def prepare(number: int, taken: Future[tuple[np.ndarray, np.ndarray]]) -> Any:
        return deliver(finish(number, *taken.result()))

    ahead: deque[Future[Any]] = deque()
    # Threads of Python, not of tf.data: that would call Python from its own, which cannot end while a process does.
    with ThreadPoolExecutor(1, "take") as taker, ThreadPoolExecutor(PARALLEL, "prepare") as preparers:
        for number in range(epoch * steps + first, (epoch + epochs) * steps):
            ahead.append(preparers.submit(prepare, number, taker.submit(take, number)))
            if len(ahead) > PREFETCH:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def _finisher(stream: Stream) -> Callable[[int, np.ndarray, np.ndarray], Batch]:
    """What makes a batch of its number in the run, its pictures as they are stored, and its labels."""
    one_hot = np.eye(len(stream.dataset.contract.labels), dtype=np.float32)
    raw = stream.dataset.contract.encoding == "raw"

    @tf.function
    def decode_and_augment(number: tf.Tensor, images: tf.Tensor, targets: tf.Tensor) -> Batch:
        if not raw:
            images = decode_images(images, stream.dataset.contract)
        # Drawn from the batch's place in the run, so that a resumed run augments as the undisturbed one does.
        seed = tf.stack([tf.constant(stream.seed, tf.int64), number * stream.workers + stream.worker])
        return augment.augment(images, targets, seed, stream.augmentation, stream.resized_crop)

    def finish(number: int, images: np.ndarray, labels: np.ndarray) -> Batch:
        # DLPack hands memory over as it is; convert_to_tensor would copy it, into pages that are new.
        pictures = tf.experimental.dlpack.from_dlpack(images.__dlpack__()) if raw else tf.convert_to_tensor(images)
        targets = tf.convert_to_tensor(one_hot[labels])
        if raw and stream.augmentation == "none" and not stream.resized_crop:
            return pictures, targets
        made: Batch = decode_and_augment(tf.constant(number, tf.int64), pictures, targets)
        return made

    return finish
