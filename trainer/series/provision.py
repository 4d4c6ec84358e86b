"""Which datasets do these recipes need, and with what commands is a missing one built?

Decided here as command lines of the pipeline, which are run as processes of their own: the trainer imports nothing of
it but the contract.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.dataset.contract import CONTRACT_FILE, VERSION, Contract
from pipeline.dataset.dataset import Dataset
from pipeline.dataset.schemes import Scheme
from pipeline.errors import DatasetError

Command = list[str]


@dataclass(frozen=True, slots=True)
class Source:
    """The paintings asked for.

    Attributes:
      data_dir: folder of paintings; None for the embedded gallery.
      limit: use no more than so many; None for all.
    """

    data_dir: Path | None
    limit: int | None

    def folder(self, datasets: Path) -> Path | None:
        """What goes to pipeline.build as --data_dir."""
        return datasets / f"gallery-{self.limit}" if self.data_dir is None and self.limit else self.data_dir

    def manifest(self, datasets: Path) -> Path | None:
        """What goes to pipeline.build as --manifest."""
        return datasets / f"sample-{self.limit}.csv" if self.data_dir and self.limit else None


def missing(schemes: Iterable[Scheme], datasets: Path, source: Source) -> list[Scheme]:
    """Those of which there is no finished dataset yet, each once.

    Raises:
      DatasetError: a dataset that is there was built from other paintings than are asked for.
    """
    absent = []
    for scheme in sorted(set(schemes), key=lambda scheme: (scheme.kind, scheme.size, scheme.name)):
        folder = datasets / scheme.name
        if not (folder / VERSION / CONTRACT_FILE).is_file():
            absent.append(scheme)
        elif source != Source(None, None):
            _check(Dataset.open(folder).contract, folder, datasets, source)
    return absent


def _check(contract: Contract, folder: Path, datasets: Path, source: Source) -> None:
    wanted = source.folder(datasets), source.manifest(datasets)
    found = tuple(
        Path(name) if name else None for name in (contract.build.get(key) for key in ("data_dir", "manifest"))
    )
    if [path and path.resolve() for path in wanted] != [path and path.resolve() for path in found]:
        raise DatasetError(
            f"{folder} was built from {_spell(*found)}, not from {_spell(*wanted)}. "
            "Pass another --datasets (and --runs), or delete it."
        )


def _spell(folder: Path | None, manifest: Path | None) -> str:
    return f"{folder or 'unknown paintings'}" + (f" with {manifest}" if manifest else "")


def commands(schemes: Sequence[Scheme], datasets: Path, source: Source) -> list[Command]:
    """What to run, in this order, so that datasets of these schemes are there; every painting is read once."""
    if not schemes:
        return []
    python, folder, manifest = [sys.executable, "-m"], source.folder(datasets), source.manifest(datasets)
    before = []
    if manifest:
        flags = [f"--data_dir={folder}", f"--paintings={source.limit}", f"--output={manifest}"]
        before = [[*python, "pipeline.sample", *flags]]
    elif source.limit:
        before = [[*python, "pipeline.atelier", f"--output={folder}", f"--paintings={source.limit}"]]
    build = [*python, "pipeline.build", f"--output_dir={datasets}"]
    build += [f"--data_dir={folder}"] if folder else []
    build += [f"--manifest={manifest}"] if manifest else []
    for scheme in schemes:
        build += scheme.command
    return [*before, build]
