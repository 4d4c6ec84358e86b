"""What is in a run folder, and what of it must agree with the dataset?

best.keras, last.keras     uint8[batch, size, size, 3] RGB in, softmax scores out; layers "embedding" and "scores"
labels.json, run.json      label names and the dataset's fingerprint; versions and the dataset's folder
flags.txt, flags.json      the command
metrics.jsonl              one line per epoch
results.json               numbers (trainer.evaluate)
predictions.parquet        scores of every crop (trainer.judging.predictions)
expertise.json             what an attribution needs beside the model (`Expertise`)
references.parquet         the training paintings in the space of the embedding (trainer.judging.references)
report.html                all of it, to read (trainer.report)
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pipeline.dataset.dataset import Dataset
from pipeline.errors import MorelliError
from pipeline.storage import files

MODEL = "best.keras"
RESULTS = "results.json"
EXPERTISE = "expertise.json"


class RunError(MorelliError):
    """A run folder is not what it should be: missing, unfinished, or of another dataset."""


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file of a run. Raises RunError with what to do where it is missing."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(
            f"Expected {path.name} in {path.parent}: that is no run, or one that has not finished. "
            f"Finish it with: python -m trainer.main --flagfile={path.parent / 'flags.txt'}"
        ) from None


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Writes JSON (never NaN, which is not JSON), whole or not at all."""
    files.write_text(path, json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_metrics(run_dir: Path) -> list[dict[str, Any]]:
    """The epochs of `metrics.jsonl`, in order; an epoch that was trained again counts as it was trained last."""
    path = run_dir / "metrics.jsonl"
    if not path.exists():
        raise RunError(f"Expected metrics.jsonl in {run_dir}: no epoch has been trained.")
    lines = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line)
    return [epoch for _, epoch in sorted({line["epoch"]: line for line in lines}.items())]


def check_same_dataset(run_dir: Path, dataset: Dataset) -> None:
    """Refuses a dataset that is not the one the run was trained on.

    Raises:
      RunError: the fingerprints differ; with another split of the same paintings, those tested on may be those
        trained on, and every number would be too good.
    """
    trained_on = read_json(run_dir / "labels.json")["fingerprint"]
    if trained_on != dataset.contract.fingerprint:
        raise RunError(
            f"{run_dir} was trained on a dataset of fingerprint {trained_on[:12]}, {dataset.folder} has "
            f"{dataset.contract.fingerprint[:12]}: its test paintings may be among the run's training paintings. "
            "Pass the dataset of the run, or ask about single paintings with trainer.predict."
        )
