"""How far a run is, for a person at a terminal."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Any

from pipeline.terminal.progress import Progress
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


def input_bound(fraction: float, shuffle_mib: int, augment: str, resized_crop: bool) -> str:
    """What to tell of the share of time spent waiting for data; empty where it is small."""
    if fraction < _INPUT_BOUND:
        return ""
    cures = ["put the dataset on a faster disk or near the machine"]
    if augment != "none":
        cures.insert(0, f"turn down --augment={augment}")
    if resized_crop:
        cures.insert(0, "turn off --random_resized_crop")
    if shuffle_mib > 64:
        cures.append(f"if it happens at the start of an epoch, lower --shuffle_mib={shuffle_mib}")
    return f"Input-bound: {fraction:.0%} of the time went by waiting for data. {'; '.join(cures).capitalize()}."


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
