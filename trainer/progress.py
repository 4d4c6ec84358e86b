"""How far a run is: the counters a checkpoint keeps, and what is shown in the terminal."""

from __future__ import annotations

import resource
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from tqdm import tqdm

_INPUT_BOUND = 0.1  # share of the time spent waiting for data from which it is worth telling
_PLAIN_SECONDS = 30.0  # between lines where no terminal shows a bar


@dataclass(slots=True)
class Progress:
    """The counters of a run; all of it goes into a checkpoint, as JSON.

    Attributes:
      epoch: epochs finished, validation included.
      batch: batches taken in this epoch.
      step: batches taken in the run.
      loss, hits, examples: sums over this epoch's batches.
      timed, seconds, waited: examples, seconds and seconds spent waiting for data in this epoch, without the steps
        that compile.
      best: what validation said of the best epoch; empty before the first.
      stale: epochs since then.
      history: a line of metrics.jsonl per epoch.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    loss: float = 0.0
    hits: int = 0
    examples: int = 0
    timed: int = 0
    seconds: float = 0.0
    waited: float = 0.0
    best: dict[str, Any] = field(default_factory=dict)
    stale: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)

    def to_state(self) -> dict[str, Any]:
        """The JSON value that `from_state` reads."""
        return asdict(self)

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """The inverse of `to_state`."""
        return cls(**state)

    def next_epoch(self) -> None:
        """Starts counting anew."""
        self.epoch += 1
        self.batch = self.hits = self.examples = self.timed = 0
        self.loss = self.seconds = self.waited = 0.0

    @property
    def train_loss(self) -> float:
        """Mean loss of this epoch so far, in nats, regularisation left out."""
        return self.loss / max(1, self.examples)

    @property
    def train_top1(self) -> float:
        """Share of this epoch's examples, augmented as they were, that were answered right."""
        return self.hits / max(1, self.examples)

    def speed(self) -> dict[str, float]:
        """examples_per_second, step_seconds and data_wait_fraction of this epoch so far."""
        seconds = max(self.seconds, 1e-9)
        per_step = self.examples / max(1, self.batch)
        return {
            "examples_per_second": self.timed / seconds,
            "step_seconds": seconds * per_step / max(1, self.timed),
            "data_wait_fraction": self.waited / seconds,
        }


def throughput(history: list[dict[str, Any]]) -> dict[str, float]:
    """Speed over all epochs: examples_per_second, data_wait_fraction, seconds, peak_rss_mib."""
    seconds = sum(line["seconds"] for line in history)
    examples = sum(line["examples_per_second"] * line["seconds"] for line in history)
    waited = sum(line["data_wait_fraction"] * line["seconds"] for line in history)
    return {
        "examples_per_second": examples / max(seconds, 1e-9),
        "data_wait_fraction": waited / max(seconds, 1e-9),
        "seconds": seconds,
        "peak_rss_mib": max(line["peak_rss_mib"] for line in history),
    }


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


class Line:
    """The live line of an epoch: a bar on a terminal, a line now and then elsewhere."""

    def __init__(self, epoch: int, epochs: int, steps: int, done: int, quiet: bool) -> None:
        self._title = f"epoch {epoch}/{epochs}"
        self._steps = steps
        self._quiet = quiet
        self._shown = time.monotonic()
        live = sys.stderr.isatty() and not quiet
        self._bar = tqdm(total=steps, initial=done, desc=self._title, unit="step", leave=False) if live else None

    def show(self, progress: Progress) -> None:
        """Called after every step."""
        if self._quiet:
            return
        text = f"loss {progress.train_loss:.3f}, top-1 {progress.train_top1:.3f}"
        speed = progress.speed()
        if self._bar is not None:
            self._bar.set_postfix_str(f"{text}, {speed['examples_per_second']:.0f}/s", refresh=False)
            self._bar.update()
        elif time.monotonic() - self._shown > _PLAIN_SECONDS:
            self._shown = time.monotonic()
            print(f"{self._title}: step {progress.batch}/{self._steps}, {text}", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Takes the bar away."""
        if self._bar is not None:
            self._bar.close()


def epoch_line(line: dict[str, Any], epochs: int) -> str:
    """An epoch in words."""
    return (
        f"epoch {line['epoch']}/{epochs}: loss {line['train_loss']:.3f}, top-1 {line['train_top1']:.3f}; validation "
        f"loss {line['validation_loss']:.3f}, top-1 {line['validation_top1']:.3f}, paintings "
        f"{line['validation_painting_top1']:.3f}; {line['examples_per_second']:.0f} examples/s, "
        f"{line['step_seconds'] * 1000:.0f} ms a step, {line['data_wait_fraction']:.0%} waiting for data"
    )
