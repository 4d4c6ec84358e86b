"""Grain: decoding and augmenting with OpenCV and Albumentations in its threads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np

from benchmarks.feeders import Feed
from benchmarks.feeders.torch_loader import Pictures


def batches(feed: Feed) -> Iterator[Any]:
    """Threads of one process: OpenCV lets go of Python's lock."""
    import grain

    cv2.setNumThreads(0)
    pictures = Pictures(feed)

    def mix(batch: tuple[np.ndarray, np.ndarray], generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        pixels, labels = batch
        targets = np.eye(pictures.classes, dtype=np.float32)[labels]
        if feed.augment != "strong":
            return pixels, targets
        share, partners, other = np.float32(generator.random()), pixels[::-1], targets[::-1]
        if generator.random() < 0.5:
            return share * pixels + (1 - share) * partners, share * targets + (1 - share) * other
        side = round(float(share) ** 0.5 * feed.side)
        top, left = generator.integers(0, feed.side - side + 1, 2)
        cut = pixels.copy()
        cut[:, top : top + side, left : left + side] = partners[:, top : top + side, left : left + side]
        return cut, (1 - share) * targets + share * other

    read = grain.MapDataset.source(range(len(pictures))).seed(0).shuffle().repeat().map(pictures.__getitem__)
    made = read.batch(feed.batch, drop_remainder=True).random_map(mix)
    return iter(made.to_iter_dataset(grain.ReadOptions(num_threads=4 * feed.cores, prefetch_buffer_size=8)))
