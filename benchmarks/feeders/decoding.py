"""The limit: the same records, in memory, decoded whole by libjpeg-turbo or copied, on all cores, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from typing import Any

import numpy as np
import simplejpeg

from benchmarks.feeders import Feed, records


def batches(feed: Feed) -> Iterator[Any]:
    """Threads of one process."""
    held = [image for image, _ in records(feed.dataset)]
    encoded = feed.dataset.contract.encoding == "jpeg"

    def decode(some: list[bytes]) -> list[np.ndarray]:
        if encoded:
            return [simplejpeg.decode_jpeg(image) for image in some]
        return [np.frombuffer(image, np.uint8).copy() for image in some]

    endless = cycle(held)
    with ThreadPoolExecutor(feed.cores) as threads:
        ahead = [threads.submit(decode, list(islice(endless, feed.batch))) for _ in range(2 * feed.cores)]
        while True:
            ahead.append(threads.submit(decode, list(islice(endless, feed.batch))))
            yield (ahead.pop(0).result(),)
