"""python -m benchmarks.readers PEER --folder=DIR: one reader, in a process of its own, timed; prints JSON.

With --prepare, writes the peer's files instead.
"""

from __future__ import annotations

import argparse
import importlib
import json
import time
from pathlib import Path

from benchmarks.readers import LIMIT, OURS, PEERS
from benchmarks.readers.crops import buffered, side

if __name__ == "__main__":  # worker processes import this file again
    parser = argparse.ArgumentParser("python -m benchmarks.readers", description=__doc__)
    parser.add_argument("peer", choices=(OURS, LIMIT, *PEERS))
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--prepare", action="store_true")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=3, help="to read once what filled the buffers is used up")
    flags = parser.parse_args()
    peer = importlib.import_module(f"benchmarks.readers.{flags.peer}")
    if flags.prepare:
        if hasattr(peer, "prepare"):
            peer.prepare(flags.folder)
    else:
        called = time.perf_counter()
        batches = peer.batches(flags.folder, flags.batch, flags.workers)
        next(batches)
        first = time.perf_counter() - called
        for _ in range(buffered(side(flags.folder)) // flags.batch):
            next(batches)  # what buffers were filled with before the clock starts is used up
        started = now = time.perf_counter()
        read = 0
        while now < started + flags.seconds:
            pictures, _ = next(batches)
            read += len(pictures)
            now = time.perf_counter()
        print(json.dumps({"first_batch_s": first, "rate": read / (now - started), "read": read}))
