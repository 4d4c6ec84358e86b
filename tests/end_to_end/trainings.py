"""Training as a user runs it, small and deterministic."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from trainer.training import checkpoint

REPOSITORY = Path(__file__).parents[2]
STEPS = 32  # of an epoch of the dataset below, at the batch size below
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


def start(dataset: Path, run: Path, *flags: str, **variables: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "trainer.main", f"--dataset_dir={dataset}", f"--run_dir={run}", *FLAGS, *flags]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", **variables}
    return subprocess.Popen(
        command, cwd=REPOSITORY, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=240)
    return process.returncode, out, err


def newest_step(run: Path) -> int:
    path = checkpoint.newest_path(run / "checkpoints")
    return int(path.stem.removeprefix("step-")) if path else 0


def wait_for_step(process: subprocess.Popen[str], run: Path, step: int) -> None:
    while newest_step(run) < step:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.02)
