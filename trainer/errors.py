"""The ways a run ends early."""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import MorelliError


class RunError(MorelliError):
    """A run folder is not what it should be: missing, unfinished, or of another dataset."""


class InterruptedRunError(MorelliError):
    """The run was asked to stop by a signal, and its state is safe on disk."""

    def __init__(self, step: int, path: Path, signal: int) -> None:
        super().__init__(
            f"Stopped by signal {int(signal)} after step {step}; {path} holds the state. "
            "Run the same command again to resume."
        )
        self.signal = int(signal)


class NotFiniteError(MorelliError):
    """The loss became NaN or infinite at a step; what it did to the weights is not saved."""

    def __init__(self, step: int, epoch: int, batch: int, last_good: Path | None) -> None:
        kept = f"the last good state is {last_good}" if last_good else "no checkpoint was written before it"
        super().__init__(
            f"The loss is not finite at step {step} (epoch {epoch}, batch {batch}); {kept}. Start again in another "
            "--run_dir with a lower --learning_rate, --clip_norm=1, a longer --warmup, or --precision=float32."
        )
        self.step = step
