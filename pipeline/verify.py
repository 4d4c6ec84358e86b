"""python -m pipeline.verify DIR: is this dataset what it says it is? Names the shard that is not.

Checked, one shard in memory at a time: that every shard of morelli.json is there and no other, sizes and SHA-256, the
CRCs and the fields of every record, counts per painting and split, that no painting, copy or near copy is in two
splits, that TFDS's metadata agree, and the fingerprint.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from pipeline.dataset.contract import CONTRACT_FILE, Contract, Shard
from pipeline.dataset.dataset import Dataset
from pipeline.dataset.frames import read_frames
from pipeline.dataset.paintings import PAINTINGS_FILE
from pipeline.dataset.records import parse_record
from pipeline.errors import DamagedShardError, MorelliError
from pipeline.plan.order import Records, fingerprints
from pipeline.storage import files
from pipeline.terminal.command import command
from pipeline.terminal.progress import Progress
from pipeline.terminal.streams import complain, say

AGAIN = "Run the same pipeline.build command again."
REBUILD = "Delete it and run the same pipeline.build command again: only what is missing is written."
MISSING = "is missing. Run the same pipeline.build command again: only what is missing is written."


class _Seen(NamedTuple):
    """What the shards of a split hold: painting -> records, painting -> label."""

    records: Counter[str]
    labels: dict[str, int]


def verify(dataset: Dataset, progress: Progress | None = None) -> Iterator[str]:
    """Yields a sentence for each fault of a dataset.

    Raises:
      DatasetError: its own tables cannot be read.
    """
    folder, contract = dataset.folder, dataset.contract
    there = files.sizes(folder)
    paintings = list(dataset.planned("painting_id", "label", "split", "records", "digest", "group"))
    expected = {shard.filename for shards in contract.splits.values() for shard in shards}
    for name in sorted(there):
        if ".tfrecord-" in name and name not in expected:
            yield f"{name} does not belong to this dataset, and readers that list the folder read it. Delete it."
    for split, shards in contract.splits.items():
        seen = _Seen(Counter(), {})
        sound = True
        for shard in shards:
            for fault in _verify_shard(folder, shard, contract, seen) if shard.filename in there else [MISSING]:
                sound = False
                yield f"{shard.filename} {fault}"
            if progress:
                progress.add(1)
        if sound:  # else all the paintings of a bad shard would be named too
            yield from _verify_split(split, paintings, seen)
    yield from _verify_disjoint(paintings)
    yield from _verify_tfds(folder, there, contract)
    if (found := _fingerprint(contract, paintings)) != contract.fingerprint:
        yield f"the fingerprint is {found}, and {CONTRACT_FILE} says {contract.fingerprint}: one was changed."


def _verify_shard(folder: str, shard: Shard, contract: Contract, seen: _Seen) -> Iterator[str]:
    path = files.join(folder, shard.filename)
    data = files.read(path)
    if len(data) != shard.bytes:
        yield f"has {len(data):,} bytes, and {shard.bytes:,} were written. {REBUILD}"
    elif hashlib.sha256(data).hexdigest() != shard.sha256:
        yield f"has another SHA-256 than when it was written. {REBUILD}"
    number = 0
    try:
        for offset, payload in read_frames(io.BytesIO(data), path):
            number += 1
            if fault := _verify_record(payload, contract, seen):
                yield f"has a record at byte {offset} that {fault}. {REBUILD}"
    except DamagedShardError as error:
        yield f"is damaged at byte {error.offset}: {error.what}. {REBUILD}"
    if number != shard.records:
        yield f"holds {number:,} sound records, and {shard.records:,} were written. {REBUILD}"


def _verify_record(payload: bytes, contract: Contract, seen: _Seen) -> str | None:
    try:
        record = parse_record(payload, contract)
    except ValueError as error:
        return str(error)
    seen.records[record.painting_id] += 1
    if (label := seen.labels.setdefault(record.painting_id, record.label)) != record.label:
        return f"has label {record.label}, and others of its painting {label}"
    return None


def _verify_split(split: str, paintings: Sequence[dict[str, Any]], seen: _Seen) -> Iterator[str]:
    expected = {row["painting_id"]: row for row in paintings if row["split"] == split and row["records"]}
    for painting in sorted(seen.records.keys() - expected.keys()):
        yield f"{split}: painting {painting} is in the shards, and {PAINTINGS_FILE} has it elsewhere or nowhere."
    for painting, row in expected.items():
        if seen.records[painting] != row["records"]:
            yield f"{split}: painting {painting} has {seen.records[painting]} records, not {row['records']}."
        elif seen.labels[painting] != row["label"]:
            yield f"{split}: painting {painting} has label {seen.labels[painting]}, not {row['label']}."


def _verify_disjoint(paintings: Sequence[dict[str, Any]]) -> Iterator[str]:
    for key, what in (("painting_id", "painting"), ("digest", "file"), ("group", "group of near copies")):
        split_of: dict[str, str] = {}
        for row in paintings:
            if split_of.setdefault(row[key], row["split"]) != row["split"]:
                yield f"{what} {row[key]} is in {split_of[row[key]]} and in {row['split']}: scores would be too high."


def _verify_tfds(folder: str, there: dict[str, int], contract: Contract) -> Iterator[str]:
    for name in ("dataset_info.json", "features.json", "label.labels.txt"):
        if name not in there:
            yield f"{name} is missing: TFDS cannot read this dataset. {AGAIN}"
            return
    try:
        info = json.loads(files.read(files.join(folder, "dataset_info.json")))
        lengths = {split["name"]: [int(length) for length in split["shardLengths"]] for split in info["splits"]}
    except (ValueError, KeyError, TypeError) as error:
        yield f"dataset_info.json cannot be read ({error!r}): TFDS cannot either. {AGAIN}"
        return
    ours = {split: [shard.records for shard in shards] for split, shards in contract.splits.items() if shards}
    if lengths != ours:
        yield f"dataset_info.json has other record counts than morelli.json. {AGAIN}"
    names = files.read(files.join(folder, "label.labels.txt")).decode(errors="replace").splitlines()
    if names != list(contract.labels):
        yield f"label.labels.txt has other label names than morelli.json. {AGAIN}"


def _fingerprint(contract: Contract, paintings: Sequence[dict[str, Any]]) -> str:
    works: dict[str, list[_Placed]] = {split: [] for split in contract.splits}
    for row in paintings:
        works[row["split"]].append(_Placed(row["painting_id"], row["label"]))
    shards = {split: len(some) for split, some in contract.splits.items()}
    records = Records(contract.scheme, contract.encoding, contract.seed, contract.labels, shards, contract.format)
    return fingerprints([records], works)[0]


class _Placed(NamedTuple):
    """What a fingerprint takes of a painting."""

    painting_id: str
    label: int


@command()
def main(argv: list[str] | None = None) -> int:
    """The command. Returns 0 for a sound dataset, 1 for one with faults."""
    parser = argparse.ArgumentParser("python -m pipeline.verify", description=__doc__.partition("\n\n")[0])
    parser.add_argument("dataset", nargs="+", help="a dataset's folder, such as datasets/crop64x16/1.0.0")
    status = 0
    for folder in parser.parse_args(argv).dataset:
        try:
            dataset = Dataset.open(folder)
            folder, contract = dataset.folder, dataset.contract
            shards = sum(map(len, contract.splits.values()))
            with Progress("verify", shards, "shard") as progress:
                faults = list(verify(dataset, progress))
        except (MorelliError, OSError) as error:
            complain(f"error: {error}")
            status = 1
            continue
        for fault in faults:
            say(f"FAULT {fault}")
        counts = ", ".join(f"{contract.records(split):,} {split}" for split in contract.splits)
        verdict = f"{len(faults)} faults" if faults else "sound"
        say(f"{folder}: {verdict} ({shards} shards; records: {counts}; fingerprint {contract.fingerprint[:16]})")
        status = status or bool(faults)
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
