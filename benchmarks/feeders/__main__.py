"""python -m benchmarks.feeders PEER --folder=DATASET ...: one feeder, in a process of its own, timed; prints JSON."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import time
from pathlib import Path

from benchmarks.feeders import LEVELS, LIMIT, OURS, PEERS, Feed

if __name__ == "__main__":  # worker processes import this file again
    parser = argparse.ArgumentParser("python -m benchmarks.feeders", description=__doc__)
    parser.add_argument("peer", choices=(OURS, LIMIT, *PEERS))
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--side", type=int, required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--level", choices=LEVELS, required=True)
    parser.add_argument("--cores", type=int, required=True)
    parser.add_argument("--seconds", type=float, default=4)
    flags = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: flags.cores])
    augment, windows = LEVELS[flags.level]
    feed = Feed(flags.folder, flags.side, flags.batch, augment, windows, flags.cores)
    batches = importlib.import_module(f"benchmarks.feeders.{flags.peer}").batches(feed)
    warm = time.perf_counter() + flags.seconds / 2  # buffers filled before the clock starts are used up
    while time.perf_counter() < warm:
        next(batches)
    started = now = time.perf_counter()
    fed = 0
    while now < started + flags.seconds:
        fed += len(next(batches)[0])
        now = time.perf_counter()
    print(json.dumps({"rate": fed / (now - started)}))
    os._exit(0)  # peers' threads and processes do not all end by themselves
