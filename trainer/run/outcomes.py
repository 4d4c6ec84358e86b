"""What became of a run? Read from its folder, be it finished, under way, or failed.

`trainer.experiments` says in the folder of a run that failed why it did.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.dataset.schemes import Scheme, parse_scheme
from trainer.errors import RunError
from trainer.run.folder import RunFolder


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
      results: of results.json, and "folds" of head.json where there are some; None where there is none.
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


def find(folders: Iterable[Path]) -> list[RunFolder]:
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
    return [RunFolder(path) for path in sorted(found)]


def _below(folder: Path) -> Iterator[Path]:
    if RunFolder(folder).exists:
        yield folder
        return
    for child in folder.iterdir():
        if child.is_dir():
            yield from _below(child)


def read(run: RunFolder) -> Outcome:
    """What became of a run. Raises RunError where there is none."""
    if not run.exists:
        raise RunError(f"Expected a run in {run}: found none of {', '.join(mark.name for mark in run.marks)}.")
    results, command, labels = run.read_if_there(run.results, run.flags, run.labels)
    if results and (folds := run.read_head().get("folds")):
        results = {**results, "folds": folds}
    failure = run.read_failure()
    flags = results.get("flags") or command or failure["flags"]
    scheme = labels.get("scheme") or failure.get("scheme")
    seed = flags.get("seed", -1)
    return Outcome(
        name=name_of(run.path, seed),
        seed=seed,
        scheme=parse_scheme(scheme) if scheme else None,
        flags=flags,
        labels=tuple(labels.get("labels", ())),
        epochs=len(run.read_history()),
        results=results or None,
        error=failure.get("error", ""),
    )


def name_of(run_dir: Path, seed: int) -> str:
    """The recipe's name: the folder's without the seed at its end, or its parent's where nothing else is left.

    Example:
      >>> [name_of(Path(folder), 2) for folder in ("runs/first-s2", "runs/first/seed2", "runs/first-2")]
      ['first', 'first', 'first-2']
    """
    run_dir = run_dir.resolve()
    bare = re.sub(rf"(?:^|[-_.])s(?:eed)?[-_]?{seed}$", "", run_dir.name)
    return bare or run_dir.parent.name
