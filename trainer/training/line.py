"""How far a run is, for a person at a terminal."""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import Any

from pipeline.terminal.progress import Progress
from trainer.data.stream import Stream, Waits
from trainer.training.counters import Counters

_INPUT_BOUND = 0.1  # share of the time spent waiting for data from which it is worth telling
PLAIN_SECONDS = 30.0  # between lines where no terminal shows a bar


def peak_rss_mib() -> float:
    """The most memory this process has held, in MiB."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage counts what the process held before exec, which was its parent's
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # macOS counts bytes


def input_bound(fraction: float, waits: Waits, stream: Stream, shuffle_mib: int) -> str:
    """What to tell of the share of time spent waiting for data, and what to do; empty where it is small.

    Args:
      fraction: of the time.
      waits: what was waited for.
      stream: where the data come from.
      shuffle_mib: the flag.
    """
    if fraction < _INPUT_BOUND:
        return ""
    lost = f"Input-bound: {fraction:.0%} of the time went by waiting for"
    if waits.reading > waits.making:
        cures = ["Put the dataset on a faster disk or near the machine"]
        if stream.dataset.cache is None:
            cures.append("or pass --cache_dir, a folder on a local disk, which helps from the second epoch on")
        if shuffle_mib > 64:
            cures.append(f"if it happens at the start of an epoch, lower --shuffle_mib={shuffle_mib}")
        return f"{lost} records to be read. {'; '.join(cures)}."
    contract = stream.dataset.contract
    cures = [f"Take a machine with more cores than {os.cpu_count()}"]
    if stream.handed[0] < contract.scheme.size:
        cures.append(
            f"build the dataset nearer to the {stream.handed[0]} px that the network sees than {contract.scheme.name}"
        )
    if contract.encoding != "raw":
        cures.append("where the disk has room, build it with --encoding=raw, which needs no decoding")
    if stream.resized_crop:
        cures.append("turn off --random_resized_crop")
    return f"{lost} pictures to be decoded and cut. {'; '.join(cures)}."


def show(line: Progress, at: Counters) -> None:
    """Brings the live line of an epoch up to date; called after every step."""
    rate = at.speed()["examples_per_second"]
    line.reach(at.batch, f"loss {at.train_loss:.3f}, top-1 {at.train_top1:.3f}, {rate:.0f}/s")


def epoch_line(line: dict[str, Any], epochs: int) -> str:
    """An epoch in words."""
    return (
        f"epoch {line['epoch']}/{epochs}: loss {line['train_loss']:.3f}, top-1 {line['train_top1']:.3f}; validation "
        f"loss {line['validation_loss']:.3f}, top-1 {line['validation_top1']:.3f}, paintings "
        f"{line['validation_painting_top1']:.3f}; {line['examples_per_second']:.0f} examples/s, "
        f"{line['step_seconds'] * 1000:.0f} ms a step, {line['data_wait_fraction']:.0%} waiting for data"
    )
