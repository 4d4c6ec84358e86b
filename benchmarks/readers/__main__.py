"""python -m benchmarks.readers PEER --folder=DIR: an epoch by one reader, in a process of its own; prints JSON.

With --prepare, writes the peer's files instead.
"""

from __future__ import annotations

import argparse
import importlib
import json
import time
from pathlib import Path

from benchmarks.readers import LIMIT, OURS, PEERS

if __name__ == "__main__":  # worker processes import this file again
    parser = argparse.ArgumentParser("python -m benchmarks.readers", description=__doc__)
    parser.add_argument("peer", choices=(OURS, LIMIT, *PEERS))
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--prepare", action="store_true")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--epoch", type=int, default=0, help="seed of its order")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=5, help="stop after so many")
    flags = parser.parse_args()
    peer = importlib.import_module(f"benchmarks.readers.{flags.peer}")
    if flags.prepare:
        if hasattr(peer, "prepare"):
            peer.prepare(flags.folder)
    else:
        called = time.perf_counter()
        next(peer.batches(flags.folder, flags.batch, flags.epoch + 1, flags.workers))
        begun = now = time.perf_counter()  # everything is imported and traced
        read = 0
        for pictures, _ in peer.batches(flags.folder, flags.batch, flags.epoch, flags.workers):
            read += len(pictures)
            now = time.perf_counter()
            if now > begun + flags.seconds:
                break
        print(json.dumps({"first_batch_s": begun - called, "rate": read / (now - begun), "read": read}))
