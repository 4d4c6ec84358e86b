"""How far a run is: the counters a checkpoint keeps, and what is shown in the terminal."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Self


@dataclass(slots=True)
class Counters:
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
