"""Training as a user runs it, small and deterministic."""

from __future__ import annotations

import time
from pathlib import Path

from tests.forked import Command
from trainer.training import checkpoint

STEPS = 16  # of an epoch of the dataset below, at the batch size below
FLAGS = (
    "--backbone=ResNet8",
    "--epochs=2",
    "--batch_size=16",
    "--class_balance=sampling",
    "--augment=strong",
    "--dropout=0.3",
    "--ema=0.9",
    "--deterministic",
    "--checkpoint_every=2",
    "--keep=3",
)


def start(dataset: Path, run: Path, *flags: str, **variables: str) -> Command:
    return Command("trainer.main", f"--dataset_dir={dataset}", f"--run_dir={run}", *FLAGS, *flags, **variables)


def finish(process: Command) -> tuple[int | None, str, str]:
    out, err = process.communicate()
    return process.poll(), out, err


def newest_step(run: Path) -> int:
    path = checkpoint.newest_path(run / "checkpoints")
    return int(path.stem.removeprefix("step-")) if path else 0


def wait_for_step(process: Command, run: Path, step: int) -> None:
    while newest_step(run) < step:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.02)
