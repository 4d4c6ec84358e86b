"""Running a command and watching it: its time and the peak memory of its whole process tree."""

from __future__ import annotations

import json
import math
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

from pipeline.storage import files
from pipeline.workers.memory import tree_memory

RESULTS = Path("benchmarks/results")
SAMPLE_SECONDS = 0.1  # each sample takes 3 ms of a core from what is measured

NAMES = {
    "morelli": "morelli",
    "ours": "morelli",
    "afternoon": "process pool + TFRecordWriter",
    "tfds": "TFDS",
    "tfds_beam": "TFDS on Beam",
    "beam": "Beam, WriteToTFRecord",
    "web": "WebDataset",
    "mosaic": "mosaicml-streaming",
    "img2": "img2dataset",
    "plain": "tf.data, parsed by the batch",
    "single": "tf.data, parsed one by one",
    "keras_files": "Keras, image_dataset_from_directory",
    "streamed": "morelli",
    "numpy array": "one numpy array",
    "grain_arrays": "Grain, ArrayRecord",
    "hugging_face": "Hugging Face datasets",
    "classic": "tf.data, TensorFlow's image operations",
    "keras_layers": "tf.data, Keras's layers",
    "torch_loader": "PyTorch, Albumentations",
    "grain_loader": "Grain, Albumentations",
}
"""How contenders are called in tables and charts; limits and parts have no entry."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of a command: wall time, highest sum of resident memory over all its processes, what it printed.

    Attributes:
      stopped: why it was not let run to its end; "" where it ended by itself.
    """

    seconds: float
    peak_mib: float
    stdout: str
    stopped: str = ""


class Failed(SystemExit):
    """A command failed; where nobody catches this, the program ends with what the command said.

    Attributes:
      reason: the last line that it said.
    """

    def __init__(self, command: Sequence[str], stderr: str) -> None:
        super().__init__(f"{' '.join(command)} failed:\n{stderr}")
        self.reason = next((line for line in reversed(stderr.splitlines()) if line.strip()), "it said nothing")


def available(peers: Mapping[str, tuple[str, str]]) -> tuple[dict[str, str], dict[str, str]]:
    """Versions of the peers that are installed, and why the others are not run.

    Args:
      peers: name -> what it is, and the distribution it needs.
    """
    versions, absent = {}, {}
    for peer, (_, distribution) in peers.items():
        try:
            versions[distribution] = metadata.version(distribution)
        except metadata.PackageNotFoundError:
            extra = distribution if distribution == "img2dataset" else "benchmarks"
            absent[peer] = f"{distribution} is not installed: pip install '.[{extra}]'"
    return versions, absent


def run(command: Sequence[str], most: tuple[float, float] = (math.inf, math.inf), **environment: str) -> Measured:
    """Runs a command to its end, or until it takes more than it may: seconds, and MiB. Raises Failed where it fails."""
    most_seconds, most_mib = most
    with tempfile.TemporaryFile("w+") as stdout, tempfile.TemporaryFile("w+") as stderr:  # a full pipe would block it
        started = time.monotonic()
        process = psutil.Popen(command, stdout=stdout, stderr=stderr, env={**os.environ, **environment})
        peak, stopped = 0, ""
        while process.poll() is None:
            peak = max(peak, tree_memory(process))
            if time.monotonic() - started > most_seconds:
                stopped = f"not done after {most_seconds:.0f} s"
            elif peak >> 20 > most_mib:
                stopped = f"more than {most_mib:.0f} MiB"
            if stopped:
                kill_family(process)
                break
            time.sleep(SAMPLE_SECONDS)
        seconds = time.monotonic() - started
        stdout.seek(0)
        stderr.seek(0)
        if process.returncode and not stopped:
            raise Failed(command, stderr.read())
        return Measured(seconds, peak / 2**20, stdout.read(), stopped)


def kill_family(process: psutil.Process) -> None:
    """Kills a process and all its descendants, and waits for their end."""
    family = [*process.children(recursive=True), process]
    for member in family:
        member.suspend()  # nobody is born, and nobody notices that another is gone
    for member in family:
        member.kill()
    psutil.wait_procs(family)


def spread(values: Sequence[float], digits: int = 0) -> str:
    """Median and range, for example "381 (362-390)"."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def save(name: str, results: dict[str, Any]) -> Path:
    """Writes results, with what they were measured on, to benchmarks/results/NAME.json."""
    machine = {
        "python": platform.python_version(),
        "cores": psutil.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
    }
    path = RESULTS / f"{name}.json"
    files.write_text(path, json.dumps({"machine": machine, **results}, indent=1) + "\n")
    return path
