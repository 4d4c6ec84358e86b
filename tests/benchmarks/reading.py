"""python -m tests.benchmarks.reading PEER FOLDER: does a reader give every crop once in each of two epochs?"""

import importlib
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.readers.crops import crops


def record(picture: Any, label: Any) -> tuple[bytes, int]:
    return np.asarray(picture, np.uint8).tobytes(), int(np.argmax(label) if np.ndim(label) else label)


if __name__ == "__main__":  # worker processes import this file again
    peer, folder = importlib.import_module(f"benchmarks.readers.{sys.argv[1]}"), Path(sys.argv[2])
    if hasattr(peer, "prepare"):
        peer.prepare(folder)
    records = sorted((pixels.tobytes(), label) for pixels, label in crops(folder))
    batches = peer.batches(folder, 4, 1)
    for _ in range(2):
        epoch = islice(batches, len(records) // 4)
        seen = [record(*each) for pictures, labels in epoch for each in zip(pictures, labels, strict=True)]
        print(sorted(seen) == records)
