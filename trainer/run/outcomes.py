"""What became of a run? Read from its folder, be it finished, under way, or failed.

`trainer.experiments` leaves failure.json in the folder of a run that failed: {"error", "scheme", "flags"}.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.dataset.schemes import Scheme, parse_scheme
from trainer.run.folder import RESULTS, RunError, read_json, read_metrics, write_json

FAILURE = "failure.json"
_MARKS = (RESULTS, "flags.json", FAILURE)  # of a run's folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A run, as a table sees it.

    Attributes:
      name: of the recipe, as the folder tells it: runs/first and runs/first/seed0 are both runs of "first".
      seed: -1 where it is not known.
      scheme: of its dataset; None where it got too little far to tell.
      flags: by name; of a run that failed at the start, those of its recipe alone.
      labels: the artists; none where it got too little far to tell.
      epochs: trained.
      results: of results.json; None where there is none.
      error: why the last attempt failed; "" where it did not.
    """

    name: str
    seed: int
    scheme: Scheme | None
    flags: Mapping[str, Any]
    labels: tuple[str, ...]
    epochs: int
    results: Mapping[str, Any] | None
    error: str


def find(folders: Iterable[Path]) -> list[Path]:
    """The run folders among and below these, each once, in order of their paths.

    Raises:
      RunError: a folder is missing, or there is no run in it.
    """
    found: set[Path] = set()
    for folder in folders:
        runs = set(_below(folder)) if folder.is_dir() else set()
        if not runs:
            raise RunError(f"Expected a run, or a folder of runs. Found no run in {folder}.")
        found |= runs
    return sorted(found)


def is_run(folder: Path) -> bool:
    """Whether a folder is a run's, however far it got."""
    return any((folder / mark).is_file() for mark in _MARKS)


def _below(folder: Path) -> Iterator[Path]:
    if is_run(folder):
        yield folder
        return
    for child in folder.iterdir():
        if child.is_dir():
            yield from _below(child)


def read(run_dir: Path) -> Outcome:
    """What became of the run in a folder. Raises RunError where there is none."""
    results, failure, command, labels = (
        read_json(run_dir / name) if (run_dir / name).is_file() else {}
        for name in (RESULTS, FAILURE, "flags.json", "labels.json")
    )
    if not (results or failure or command):
        raise RunError(f"Expected a run in {run_dir}: found none of {', '.join(_MARKS)}.")
    flags = results.get("flags") or command or failure["flags"]
    scheme = labels.get("scheme") or failure.get("scheme")
    seed = flags.get("seed", -1)
    return Outcome(
        name=name_of(run_dir, seed),
        seed=seed,
        scheme=parse_scheme(scheme) if scheme else None,
        flags=flags,
        labels=tuple(labels.get("labels", ())),
        epochs=len(history(run_dir)),
        results=results or None,
        error=failure.get("error", ""),
    )


def history(run_dir: Path) -> list[dict[str, Any]]:
    """The epochs of a run, none where none is trained yet."""
    return read_metrics(run_dir) if (run_dir / "metrics.jsonl").is_file() else []


def name_of(run_dir: Path, seed: int) -> str:
    """The recipe's name: the folder's without the seed at its end, or its parent's where nothing else is left.

    Example:
      >>> [name_of(Path(folder), 2) for folder in ("runs/first-s2", "runs/first/seed2", "runs/first-2")]
      ['first', 'first', 'first-2']
    """
    run_dir = run_dir.resolve()
    bare = re.sub(rf"(?:^|[-_.])s(?:eed)?[-_]?{seed}$", "", run_dir.name)
    return bare or run_dir.parent.name


def write_failure(run_dir: Path, error: str, scheme: Scheme, flags: Mapping[str, Any]) -> None:
    """Leaves word of a failed attempt."""
    run_dir.mkdir(parents=True, exist_ok=True)
    write_json(run_dir / FAILURE, {"error": error, "scheme": scheme.name, "flags": dict(flags)})


def clear_failure(run_dir: Path) -> None:
    """Takes it away, before another attempt."""
    (run_dir / FAILURE).unlink(missing_ok=True)
