"""A run's folder: the one place that knows what lies in it, under which name.

best.keras, last.keras     uint8[batch, size, size, 3] RGB in, softmax scores out; layers "embedding" and "scores"
labels.json, run.json      label names and the dataset's fingerprint; versions and the dataset's folder
flags.txt, flags.json      the command
checkpoints/               states to resume from (trainer.training.checkpoint)
metrics.jsonl              one line per epoch; tensorboard/ and learning_curves.png show them
results.json               numbers (trainer.evaluate)
predictions.parquet        scores of every crop (trainer.judging.predictions)
expertise.json             what an attribution needs beside the model (trainer.run.expertise)
head.json                  what more heads on the same embeddings found (trainer.heads.study)
strangers.npz              what tells paintings by none of these artists (trainer.judging.strangers)
references.parquet         the training paintings in the space of the embedding (trainer.judging.references)
report.html                all of it, to read (trainer.report)
failure.json, log.txt      why the last attempt failed, and what it said (trainer.experiments)
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.dataset.contract import Contract
from pipeline.dataset.dataset import Dataset
from pipeline.storage import files
from trainer.config import Config
from trainer.errors import RunError
from trainer.run.expertise import Expertise


class RunFolder:
    """The files of a run. Opened once by a command, and handed on.

    Attributes:
      path: the folder; it need not be there yet.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.best = self.path / "best.keras"
        self.last = self.path / "last.keras"
        self.checkpoints = self.path / "checkpoints"
        self.tensorboard = self.path / "tensorboard"
        self.curves = self.path / "learning_curves.png"
        self.predictions = self.path / "predictions.parquet"
        self.references = self.path / "references.parquet"
        self._head = self.path / "head.json"
        self.strangers = self.path / "strangers.npz"
        self.report = self.path / "report.html"
        self.log = self.path / "log.txt"
        self.command = self.path / "flags.txt"
        self.labels = self.path / "labels.json"
        self.results = self.path / "results.json"
        self.flags = self.path / "flags.json"
        self._about = self.path / "run.json"
        self._metrics = self.path / "metrics.jsonl"
        self._expertise = self.path / "expertise.json"
        self._failure = self.path / "failure.json"

    def __str__(self) -> str:
        return str(self.path)

    @property
    def name(self) -> str:
        """Of the run, for headings."""
        return self.path.resolve().name

    @property
    def marks(self) -> tuple[Path, ...]:
        """Files of which a run's folder has one at least, however far it got."""
        return self.results, self.flags, self._failure

    @property
    def exists(self) -> bool:
        """Whether the folder is a run's."""
        return any(mark.is_file() for mark in self.marks)

    def class_counts(self, contract: Contract) -> Path:
        """Where the training records of each class are counted; that is done once."""
        return self.path / f"class_counts-{contract.fingerprint[:16]}.npy"

    # --- The start of a run ---

    def write_command(self, config: Config) -> None:
        """flags.txt, which reproduces the run, and flags.json; what a killed run left half-written is removed."""
        files.remove_temporary(str(self.path))
        files.write_text(self.command, config.to_flags())
        _write_json(self.flags, config.to_dict())

    def write_labels(self, contract: Contract) -> None:
        """labels.json, which makes the scores of a saved model names."""
        content = {"labels": contract.labels, "fingerprint": contract.fingerprint, "scheme": contract.scheme.name}
        _write_json(self.labels, content)

    def write_about(self, dataset: Dataset, **facts: Any) -> None:
        """run.json: on what it was trained, and `facts`: with what, how large."""
        content = {"dataset_dir": dataset.folder, "fingerprint": dataset.contract.fingerprint, **facts}
        _write_json(self._about, content)

    def read_flags(self) -> dict[str, Any]:
        """The flags by name. Raises RunError where the run has not started."""
        return self._read(self.flags)

    def read_about(self) -> dict[str, Any]:
        """run.json. Raises RunError where the run has not started."""
        return self._read(self._about)

    def read_labels(self) -> dict[str, Any]:
        """labels.json. Raises RunError where the run has not started."""
        return self._read(self.labels)

    @property
    def dataset_dir(self) -> str:
        """Where the dataset lay that it was trained on. Raises RunError where the run has not started."""
        return str(self.read_about()["dataset_dir"])

    def check_dataset(self, dataset: Dataset) -> None:
        """Refuses a dataset that is not the one the run was trained on.

        Raises:
          RunError: the fingerprints differ; with another split of the same paintings, those tested on may be those
            trained on, and every number would be too good.
        """
        trained_on = self.read_labels()["fingerprint"]
        if trained_on != dataset.contract.fingerprint:
            raise RunError(
                f"{self} was trained on a dataset of fingerprint {trained_on[:12]}, {dataset.folder} has "
                f"{dataset.contract.fingerprint[:12]}: its test paintings may be among the run's training paintings. "
                "Pass the dataset of the run, or ask about single paintings with trainer.predict."
            )

    # --- Its epochs ---

    def write_history(self, history: Sequence[Mapping[str, Any]]) -> None:
        """metrics.jsonl, whole: an epoch that is trained again after a kill does not stand in it twice."""
        files.write_text(self._metrics, "".join(json.dumps(line) + "\n" for line in history))

    def read_history(self) -> list[dict[str, Any]]:
        """The epochs, in order; one that was trained again counts as it was trained last. None before the first."""
        if not self._metrics.is_file():
            return []
        try:
            lines = [json.loads(line) for line in self._metrics.read_text(encoding="utf-8").splitlines() if line]
            return [epoch for _, epoch in sorted({line["epoch"]: line for line in lines}.items())]
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise RunError(
                f"{self._metrics} cannot be read ({error}). Run the same trainer.main command again: it writes it anew."
            ) from error

    # --- Its end ---

    def write_results(self, results: Mapping[str, Any]) -> None:
        """results.json."""
        _write_json(self.results, results)

    def read_results(self) -> dict[str, Any]:
        """results.json. Raises RunError where the run has not been evaluated."""
        return self._read(self.results)

    def write_head(self, found: Mapping[str, Any]) -> None:
        """head.json, with what was found before and is not found anew."""
        _write_json(self._head, {**self.read_head(), **found})

    def read_head(self) -> dict[str, Any]:
        """What `write_head` was given; nothing of a run that was trained whole."""
        return self._read(self._head) if self._head.is_file() else {}

    def write_expertise(self, expertise: Expertise) -> None:
        """expertise.json."""
        self.__dict__.pop("expertise", None)
        _write_json(self._expertise, expertise.to_dict())

    @functools.cached_property
    def expertise(self) -> Expertise:
        """Of expertise.json. Raises RunError where the run has not been evaluated, or the file is damaged."""
        content = self._read(self._expertise)
        try:
            return Expertise.from_dict(content)
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise RunError(f"{self._expertise} is damaged ({error!r}). {self.remake}") from error

    def require(self, path: Path) -> Path:
        """A file that trainer.evaluate writes. Raises RunError where it is missing, with how to make it."""
        if not path.is_file():
            raise RunError(f"Expected {path.name} in {self}. {self.remake}")
        return path

    @property
    def remake(self) -> str:
        """How to make what trainer.evaluate makes, as a sentence."""
        return f"Make it with: python -m trainer.evaluate --run_dir={self}"

    # --- Its failure ---

    def write_failure(self, error: str, scheme: str, flags: Mapping[str, Any]) -> None:
        """Says why an attempt failed."""
        _write_json(self._failure, {"error": error, "scheme": scheme, "flags": dict(flags)})

    def read_failure(self) -> dict[str, Any]:
        """What `write_failure` was given; nothing where the last attempt did not fail."""
        return self._read(self._failure) if self._failure.is_file() else {}

    def clear_failure(self) -> None:
        """Forgets it, before another attempt."""
        self._failure.unlink(missing_ok=True)

    def read_if_there(self, *paths: Path) -> Iterable[dict[str, Any]]:
        """JSON files of the run; {} for those that are not there."""
        return [self._read(path) if path.is_file() else {} for path in paths]

    def _read(self, path: Path) -> dict[str, Any]:
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise RunError(
                f"Expected {path.name} in {self}: that is no run, or one that has not finished. "
                f"Finish it with: python -m trainer.main --flagfile={self.command}"
            ) from None
        except (OSError, ValueError) as error:
            raise RunError(
                f"{path} cannot be read ({error}). Write it anew with: python -m trainer.main --flagfile={self.command}"
            ) from error
        if not isinstance(content, dict):
            raise RunError(f"{path} is not what a run writes. Delete it, and run trainer.main again.")
        return content


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Writes JSON (never NaN, which is not JSON), whole or not at all."""
    files.write_text(path, json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
