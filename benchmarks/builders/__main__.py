"""python -m benchmarks.builders PEER --data=DIR --output=DIR --scheme=crop64x16: one peer, in a process of its own."""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path

from benchmarks.builders import PEERS
from benchmarks.builders.pictures import paintings
from pipeline.dataset.schemes import parse_scheme

if __name__ == "__main__":  # the workers of a pool import this file again
    parser = argparse.ArgumentParser("python -m benchmarks.builders", description=__doc__)
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--scheme", type=parse_scheme, required=True)
    parser.add_argument("--workers", type=int, default=2)
    flags = parser.parse_args()
    peer = importlib.import_module(f"benchmarks.builders.{flags.peer}")
    peer.build(paintings(flags.data), flags.output, flags.scheme, flags.workers)
