"""What a run writes beside its models and checkpoints: the command, the labels, the metrics."""

from __future__ import annotations

import importlib.metadata
import json
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from pipeline.dataset.contract import Contract
from pipeline.dataset.dataset import Dataset
from pipeline.storage import files
from trainer.config import Config
from trainer.run import curves
from trainer.run.folder import write_json

_PACKAGES = ("keras", "numpy")


def write_command(folder: Path, config: Config) -> None:
    """flags.txt, which reproduces the run, and flags.json; what a killed run left half-written is removed."""
    files.remove_temporary(str(folder))
    files.write_text(folder / "flags.txt", config.to_flags())
    write_json(folder / "flags.json", config.to_dict())


def write_labels(folder: Path, contract: Contract) -> None:
    """labels.json, which makes the scores of a saved model names."""
    write_json(
        folder / "labels.json",
        {"labels": contract.labels, "fingerprint": contract.fingerprint, "scheme": contract.scheme.name},
    )


def write_run(folder: Path, dataset: Dataset, parameters: int, precision: str) -> None:
    """run.json: on what, with what, how large."""
    write_json(
        folder / "run.json",
        {
            "dataset_dir": dataset.folder,
            "fingerprint": dataset.contract.fingerprint,
            "parameters": parameters,
            "precision": precision,
            "devices": [device.name for device in tf.config.list_logical_devices()],
            "versions": {
                "python": platform.python_version(),
                "tensorflow": tf.__version__,
                **{name: importlib.metadata.version(name) for name in _PACKAGES},
            },
        },
    )


def write_history(folder: Path, history: Sequence[dict[str, Any]]) -> None:
    """metrics.jsonl, whole: an epoch that is trained again after a kill does not stand in it twice."""
    text = "".join(json.dumps(line) + "\n" for line in history)
    files.write_text(folder / "metrics.jsonl", text)


def write_curves(folder: Path, history: Sequence[dict[str, Any]]) -> None:
    """learning_curves.png, once there is an epoch to draw."""
    if history:
        curves.draw(history, folder / "learning_curves.png")


def write_events(folder: Path, line: dict[str, Any]) -> None:
    """Adds an epoch to the TensorBoard events, by step.

    Written as tf.summary.scalar would: that function needs the tensorboard package, which TensorFlow does not bring.
    """
    metadata = tf.compat.v1.SummaryMetadata(data_class="DATA_CLASS_SCALAR")
    metadata.plugin_data.plugin_name = "scalars"
    writer = tf.summary.create_file_writer(str(folder / "tensorboard"))
    with writer.as_default():
        for name, value in line.items():
            if name not in ("epoch", "step"):
                tf.summary.write(name, tf.constant(value, tf.float32), step=line["step"], metadata=metadata)
    writer.close()
