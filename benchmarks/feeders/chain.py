"""What feeders on tf.data share: reading records, and mixing batches."""

from __future__ import annotations

from typing import Any

from benchmarks.feeders import Feed

_BUFFERED = 2048  # records


def examples(feed: Feed) -> Any:
    """(stored picture, label) of shuffled records without end, as a tf.data.Dataset."""
    import tensorflow as tf

    dataset = feed.dataset
    paths = [dataset.shard_path(shard) for shard in dataset.contract.splits["train"]]
    features = {"image": tf.io.FixedLenFeature([], tf.string), "label": tf.io.FixedLenFeature([], tf.int64)}

    def parse(record: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        parsed = tf.io.parse_single_example(record, features)
        return parsed["image"], parsed["label"]

    read = tf.data.Dataset.from_tensor_slices(paths).shuffle(len(paths)).repeat()
    read = read.interleave(tf.data.TFRecordDataset, num_parallel_calls=tf.data.AUTOTUNE, deterministic=False)
    return read.shuffle(_BUFFERED).map(parse, tf.data.AUTOTUNE, deterministic=False)


def mixed(pixels: Any, targets: Any) -> Any:
    """Mixup or CutMix of a batch with its mirror image, by turns."""
    import tensorflow as tf

    partners, other = tf.reverse(pixels, [0]), tf.reverse(targets, [0])
    share, size = tf.random.uniform([]), tf.shape(pixels)[1]

    def mixup() -> Any:
        return share * pixels + (1 - share) * partners, share * targets + (1 - share) * other

    def cutmix() -> Any:
        side = tf.cast(tf.sqrt(share) * tf.cast(size, tf.float32), tf.int32)
        at = tf.random.uniform([2], 0, size - side + 1, tf.int32)
        line = tf.range(size)
        rows, columns = ((line >= start) & (line < start + side) for start in tf.unstack(at))
        inside = (rows[:, None] & columns[None, :])[..., None]
        return tf.where(inside, partners, pixels), (1 - share) * targets + share * other

    return tf.cond(tf.random.uniform([]) < 0.5, mixup, cutmix)
