"""Shards -> batches, in an order that is a function of (seed, epoch) alone.

Training: windows of shards (`trainer.order`) are read and parsed in parallel, a few hundred records at a time, into
one tensor of pictures a window; batches are gathered from it in permuted order. No function is ever called for a
single record, which is what limits most pipelines of small records. And no record keeps an allocation of its own: as
strings in a shuffle buffer, allocated by one thread and freed by another, they fragment the heap, which grows for an
epoch.

Evaluation: every record once, in shard order, the last batch kept.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from pipeline import records
from pipeline.errors import DamagedShardError, DatasetError
from trainer import augment, order

_READ_BUFFER = 1 << 18  # bytes asked of the file system at a time; larger is no faster
_CHUNK_BYTES = 3 << 20  # of pictures handed on at a time while a window is read; larger ones miss the processor's cache
_LABELS_CHUNK = 256  # records parsed at a time where only labels are
_CYCLE = 8  # shards of a window read in turn; not the number of cores, on which the order must not depend
PREFETCH = 3  # batches ready ahead of the step; more only costs memory

PARALLEL = min(_CYCLE, os.cpu_count() or 1)  # fixed, where AUTOTUNE would let buffers and memory grow during a run


@dataclass(frozen=True, slots=True)
class Stream:
    """Everything that decides the training batches of a run, except the epoch.

    Attributes:
      folder: of the dataset.
      contract: of the dataset.
      batch_size: records of a step, over all workers and devices.
      shuffle_mib: memory for shuffling, pictures decoded. A third is the window in use, two thirds are the next one:
        the pieces in which it is read, and the tensor they are put together in.
      seed: of order and augmentation.
      augmentation: a level of `trainer.augment`.
      resized_crop: whether its `random_resized_crop` is on.
      class_counts: int64[shards, classes] to emit all classes equally often; None emits each record once.
      worker, workers: this process takes the `worker`-th of `workers` equal parts of each batch.
    """

    folder: Path
    contract: records.Contract
    batch_size: int
    shuffle_mib: int
    seed: int
    augmentation: str = "none"
    resized_crop: bool = False
    class_counts: np.ndarray | None = None
    worker: int = 0
    workers: int = 1

    def windows(self, epoch: int) -> list[order.Window]:
        """The windows of an epoch, in reading order."""
        counts = [shard.records for shard in self.contract.splits["train"]]
        picture = self.contract.scheme.size**2 * 3
        return order.epoch_windows(
            counts,
            [count * picture for count in counts],
            (self.shuffle_mib << 20) // 3,
            self.seed,
            epoch,
            self.class_counts,
        )

    @property
    def steps_per_epoch(self) -> int:
        """Full batches in an epoch; the same in every epoch. What is left over waits for another order."""
        return sum(window.length for window in self.windows(0)) // self.batch_size

    @property
    def part(self) -> int:
        """Records of a batch that this worker gets."""
        return self.batch_size // self.workers


def training_batches(stream: Stream, epoch: int, first: int = 0, epochs: int = 1) -> tf.data.Dataset:
    """The batches of an epoch from the `first` one on, then those of the epochs after it, `epochs` in all.

    Starting later costs the reading of one window, not of what lies before it. The next epoch is being read when one
    ends.

    Returns:
      A dataset of (image uint8[part, size, size, 3], target float32[part, classes]); a target sums to 1 and is one-hot
      unless the augmentation mixes images.
    """
    steps = stream.steps_per_epoch
    classes = len(stream.contract.labels)
    start = stream.worker * stream.part

    def prepare(number: tf.Tensor, batch: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        image, label = (tensor[start : start + stream.part] for tensor in batch)
        # Drawn from the batch's place in the run, so that a resumed run augments as the undisturbed one does.
        seed = tf.stack([tf.constant(stream.seed, tf.int64), number * stream.workers + stream.worker])
        return augment.augment(image, tf.one_hot(label, classes), seed, stream.augmentation, stream.resized_crop)

    numbers = tf.data.Dataset.range(epoch * steps + first, (epoch + epochs) * steps)
    batches = tf.data.Dataset.zip(numbers, _shuffled(stream, epoch, first, epochs)).map(
        prepare, num_parallel_calls=PARALLEL
    )
    return batches.prefetch(PREFETCH).with_options(_options())


def _shuffled(stream: Stream, epoch: int, first: int, epochs: int) -> tf.data.Dataset:
    """(image uint8[batch_size, size, size, 3], label int64[batch_size]) of all batches, before augmentation."""
    shards = stream.contract.splits["train"]
    paths = [str(stream.folder / shard.filename) for shard in shards]
    windows = functools.lru_cache(maxsize=2)(stream.windows)

    def start(current: int) -> tuple[int, int]:
        return order.locate(windows(current), first * stream.batch_size if current == epoch else 0)

    def plan(current: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of the windows to read: number, paths padded with "", and records."""
        numbered = list(enumerate(windows(int(current))))[start(int(current))[0] :]
        width = max(len(window.shards) for _, window in numbered)
        padded = [
            [paths[shard] for shard in window.shards] + [""] * (width - len(window.shards)) for _, window in numbered
        ]
        counts = [window.records for _, window in numbered]
        return np.array([number for number, _ in numbered]), np.array(padded, object), np.array(counts)

    def positions(current: np.ndarray, number: np.ndarray, labels: np.ndarray) -> np.ndarray:
        drawn = order.window_positions(windows(int(current))[number], int(number), labels, stream.seed, int(current))
        at, offset = start(int(current))
        return drawn[offset:] if number == at else drawn

    def epoch_batches(current: tf.Tensor) -> tf.data.Dataset:
        def read(number: tf.Tensor, row: tf.Tensor, count: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            images, labels = _read_window(row[row != ""], count, stream.contract)
            drawn = tf.numpy_function(positions, [current, number, labels], tf.int64, stateful=False)
            return images, labels, tf.ensure_shape(drawn, [None])

        numbers, rows, counts = tf.numpy_function(plan, [current], (tf.int64, tf.string, tf.int64), stateful=False)
        planned = (
            tf.ensure_shape(numbers, [None]),
            tf.ensure_shape(rows, [None, None]),
            tf.ensure_shape(counts, [None]),
        )
        # prefetch(1): the next window is read while this one is used.
        read_windows = tf.data.Dataset.from_tensor_slices(planned).map(read).prefetch(1)
        return read_windows.flat_map(pieces).rebatch(stream.batch_size, drop_remainder=True)

    def pieces(images: tf.Tensor, labels: tf.Tensor, drawn: tf.Tensor) -> tf.data.Dataset:
        parts = tf.data.Dataset.from_tensor_slices(drawn).batch(stream.batch_size)
        return parts.map(lambda part: (tf.gather(images, part), tf.gather(labels, part)))

    return tf.data.Dataset.range(epoch, epoch + epochs).flat_map(epoch_batches)


def _read_window(paths: tf.Tensor, count: tf.Tensor, contract: records.Contract) -> tuple[tf.Tensor, tf.Tensor]:
    """image uint8[count, size, size, 3] and label int64[count] of the records of some shards.

    The shards are interleaved in an order that does not depend on timing.
    """

    chunk = max(1, _CHUNK_BYTES // (contract.scheme.size**2 * 3))

    def parse(serialized: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        parsed = records.parse_batch(serialized, contract, "image", "label")
        return parsed["image"], parsed["label"]

    pieces = tf.data.Dataset.from_tensor_slices(paths).interleave(
        lambda path: tf.data.TFRecordDataset(path, buffer_size=_READ_BUFFER).batch(chunk).map(parse),
        cycle_length=_CYCLE,
        num_parallel_calls=min(_CYCLE, 2 * PARALLEL),  # while one waits for its turn, another reads
        deterministic=True,
    )
    images, labels = pieces.rebatch(count).get_single_element()
    complete = tf.debugging.assert_equal(tf.size(labels, tf.int64), count, "records are missing")
    with tf.control_dependencies([complete]):
        return tf.identity(images), tf.identity(labels)


def parse_labels(serialized: tf.Tensor) -> tf.Tensor:
    """int64[batch]: the labels of string[batch] records, without touching the images."""
    return tf.io.parse_example(serialized, {"label": tf.io.FixedLenFeature([], tf.int64)})["label"]


def evaluation_batches(dataset_dir: str | Path, split: str, batch_size: int) -> tf.data.Dataset:
    """Every record of a split exactly once, in shard order; the last batch may be smaller.

    Returns:
      A dataset of dicts as `records.parse_batch` gives them.

    Raises:
      DatasetError: there is no dataset, or a shard is missing or has another size. Iterate inside `damage_named` to
        have damage that only reading finds named as well.
    """
    folder = records.resolve_dataset_dir(dataset_dir)
    contract = records.read_contract(folder)
    check_shards(folder, contract, split)
    paths = [str(folder / shard.filename) for shard in contract.splits[split]]
    serialized = tf.data.TFRecordDataset(paths, buffer_size=_READ_BUFFER).batch(batch_size)
    batches = serialized.map(lambda batch: records.parse_batch(batch, contract), num_parallel_calls=PARALLEL)
    return batches.prefetch(PREFETCH).with_options(_options())


def count_classes(folder: Path, contract: records.Contract) -> np.ndarray:
    """int64[shards, classes]: how many records of each class each training shard holds. Reads the split once."""
    shards = contract.splits["train"]
    classes = len(contract.labels)

    def count(path: tf.Tensor) -> tf.Tensor:
        labels = tf.data.TFRecordDataset(path, buffer_size=_READ_BUFFER).batch(_LABELS_CHUNK).map(parse_labels)
        return labels.reduce(
            tf.zeros([classes], tf.int64),
            lambda total, batch: total + tf.math.bincount(tf.cast(batch, tf.int32), minlength=classes, dtype=tf.int64),
        )

    paths = tf.data.Dataset.from_tensor_slices([str(folder / shard.filename) for shard in shards])
    with damage_named(folder, contract, "train"):
        return np.stack(list(paths.map(count, num_parallel_calls=PARALLEL).as_numpy_iterator()))


def check_shards(folder: Path, contract: records.Contract, *splits: str) -> None:
    """Looks whether the shards of some splits are there, at their full size.

    Raises:
      DatasetError: a split is unknown or a shard is missing.
      DamagedShardError: a shard is shorter or longer than when it was sealed.
    """
    for split in splits:
        if split not in contract.splits:
            raise DatasetError(f"{folder} has no split {split!r}; it has {', '.join(contract.splits)}.")
        for shard in contract.splits[split]:
            path = folder / shard.filename
            if not path.is_file():
                raise DatasetError(
                    f"{path} is missing; {records.CONTRACT_FILE} lists it with {shard.records} records. "
                    "Run the same pipeline.build command again: only what is missing is redone."
                )
            found = path.stat().st_size
            if found != shard.bytes:
                raise DamagedShardError(
                    str(path), min(found, shard.bytes), f"it has {found} bytes, it was sealed with {shard.bytes}"
                )


@contextmanager
def damage_named(folder: Path, contract: records.Contract, split: str) -> Iterator[None]:
    """Turns TensorFlow's word that some record is corrupt into one that says which, where and what to do.

    Raises:
      DamagedShardError, DatasetError: in place of a tf.errors.OpError that bad shards explain. Others pass.
    """
    try:
        yield
    except (tf.errors.DataLossError, tf.errors.NotFoundError, tf.errors.InvalidArgumentError):
        check_shards(folder, contract, split)
        for shard in contract.splits[split]:
            path = folder / shard.filename
            with path.open("rb") as stream:
                for _ in records.read_frames(stream, str(path)):
                    pass
        raise


def _options() -> tf.data.Options:
    options = tf.data.Options()
    options.deterministic = True
    options.autotune.enabled = False
    # Workers cut their part out of the common order themselves.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return options
