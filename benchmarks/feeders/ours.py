"""This project's feed, as training runs it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.feeders import Feed

SHUFFLE_MIB = 256
EPOCHS = 1_000_000  # no end of them


def batches(feed: Feed) -> Iterator[Any]:
    """Threads of one process."""
    from trainer.data.stream import Stream, training_batches

    stream = Stream(feed.dataset, feed.batch, SHUFFLE_MIB, seed=0, side=feed.side, resized_crop=feed.windows)
    return training_batches(stream, 0, epochs=EPOCHS)
