"""A finished dataset, opened once: its folder, its contract, and its table of paintings."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from pipeline.dataset.contract import CONTRACT_FILE, SPLITS, VERSION, Contract, Shard
from pipeline.dataset.paintings import PAINTINGS_FILE, read_paintings
from pipeline.errors import DamagedShardError, DatasetError
from pipeline.storage import files
from pipeline.storage.cache import FileCache


@dataclass(frozen=True, eq=False)
class Dataset:
    """Handed on by whoever opens it, so that all look at the same.

    Attributes:
      folder: with morelli.json in it, such as datasets/crop64x16/1.0.0; on any file system.
      contract: what it says of itself.
      cache: keeps copies of its shards on a local disk; None where they are read from where they are.
    """

    folder: str
    contract: Contract
    cache: FileCache | None = None

    @classmethod
    def open(cls, folder: str | Path, cache: FileCache | None = None) -> Dataset:
        """Opens a dataset by its folder, or by the one above, such as datasets/crop64x16.

        Raises:
          DatasetError: there is none, or its description is not one.
        """
        return cls(found := find_dataset(folder), read_contract(found), cache)

    def path(self, name: str) -> str:
        """Where a file of the dataset lies."""
        return files.join(self.folder, name)

    def shard_path(self, shard: Shard) -> str:
        """Where a shard lies."""
        return self.path(shard.filename)

    def opened(self, shard: Shard) -> AbstractContextManager[BinaryIO]:
        """A stream of a shard's bytes. Raises OSError, StorageError."""
        if self.cache is None:
            return files.opened(self.shard_path(shard))
        return self.cache.opened(self.shard_path(shard), shard.sha256)

    def paintings(self, *columns: str, split: str | None = None) -> Iterator[dict[str, Any]]:
        """Some columns of the paintings that have records, of one split or all.

        Raises:
          DatasetError: the table is missing or cannot be read.
        """
        for row in self.planned(*columns, *({"split", "records"} - set(columns))):
            if row["records"] and split in (None, row["split"]):
                yield row

    def planned(self, *columns: str) -> Iterator[dict[str, Any]]:
        """The same of all paintings that were planned with, those that could not be written among them."""
        try:
            table = files.read(self.path(PAINTINGS_FILE))
        except OSError as error:
            raise DatasetError(
                f"{self.folder} holds no {PAINTINGS_FILE} ({error.strerror or error}). Build the dataset again."
            ) from error
        for row in read_paintings(table, self.path(PAINTINGS_FILE), *columns):
            self._check_row(row)
            yield row

    def _check_row(self, row: dict[str, Any]) -> None:
        """Raises DatasetError for a row that speaks of a split, an artist or a number of records there cannot be."""
        if row.get("split", SPLITS[0]) not in SPLITS:
            what = f"split {row['split']!r}"
        elif not 0 <= row.get("label", 0) < len(self.contract.artists):
            what = f"label {row['label']}, of {len(self.contract.artists)} artists"
        elif row.get("records", 0) < 0:
            what = f"{row['records']} records"
        else:
            return
        raise DatasetError(f"{self.path(PAINTINGS_FILE)} has a painting of {what}. Build the dataset again.")

    @functools.cache  # noqa: B019  # datasets are few, and live as long as the process
    def crops(self, split: str) -> dict[str, int]:
        """How many records each painting of a split has, by its id. Raises DatasetError."""
        return {row["painting_id"]: row["records"] for row in self.paintings("painting_id", split=split)}

    @functools.cache  # noqa: B019  # as above
    def works(self, split: str) -> dict[str, str]:
        """The work that each painting of a split is of, by its id: that of the first of its near copies."""
        return {row["painting_id"]: row["group"] for row in self.paintings("painting_id", "group", split=split)}

    def check_shards(self, *splits: str) -> None:
        """Looks whether the shards of some splits are there, at their full size.

        Raises:
          DatasetError: a split is unknown or a shard is missing.
          DamagedShardError: a shard is shorter or longer than when it was sealed.
        """
        there = files.sizes(self.folder)
        for split in splits:
            if split not in self.contract.splits:
                raise DatasetError(f"{self.folder} has no split {split!r}; it has {', '.join(self.contract.splits)}.")
            for shard in self.contract.splits[split]:
                found = there.get(shard.filename)
                if found is None:
                    raise DatasetError(
                        f"{self.shard_path(shard)} is missing; {CONTRACT_FILE} lists it with {shard.records} records. "
                        "Run the same pipeline.build command again: only what is missing is redone."
                    )
                if found != shard.bytes:
                    raise DamagedShardError(
                        self.shard_path(shard),
                        min(found, shard.bytes),
                        f"it has {found} bytes, it was sealed with {shard.bytes}",
                    )


def find_dataset(folder: str | Path) -> str:
    """The folder that holds `morelli.json`: this one, or its version folder. Raises DatasetError."""
    for candidate in (str(folder), files.join(str(folder), VERSION)):
        if CONTRACT_FILE in files.sizes(candidate):
            return candidate
    raise DatasetError(
        f"{folder} holds no finished dataset ({CONTRACT_FILE} is missing). "
        "Build one with: python -m pipeline.build --crop=64 --samples=16"
    )


def read_contract(folder: str) -> Contract:
    """The contract of the dataset in a folder. Raises DatasetError where it is none."""
    path = files.join(folder, CONTRACT_FILE)
    try:
        return Contract.from_json(files.read(path).decode(), path)
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} cannot be read ({error}). Build the dataset again.") from error
