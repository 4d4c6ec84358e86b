"""Written shards become a dataset: checked against their receipts, described, and sealed.

What is written: paintings.parquet and rejects.csv, then TFDS metadata through TFDS's own API and the dataset card, and
last of all morelli.json. A folder without morelli.json is not a dataset yet.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pipeline.dataset.contract import CONTRACT_FILE, VERSION, Contract, Encoding, shard_filename
from pipeline.dataset.paintings import PAINTINGS_FILE, PaintingRow, paintings_table
from pipeline.dataset.rejects import REJECTS_FILE, Reject, rejects_table
from pipeline.dataset.schemes import Scheme
from pipeline.errors import IncompleteError
from pipeline.plan.order import shard_range
from pipeline.plan.work import Plan
from pipeline.shards import Receipt, Target, finished
from pipeline.storage import files

DESCRIPTION = (
    "Paintings by artist, one record per crop; all crops of a painting, its copies and its near copies are in one "
    "split. Built by morelli; morelli.json and card.html say how."
)


def describe(target: Target, plan: Plan, rejects: Sequence[Reject], build: Mapping[str, Any]) -> Contract:
    """Writes the tables of a dataset whose shards are all there.

    Args:
      target: the dataset.
      plan: what it was to hold.
      rejects: of listing, survey and plan; those of writing are in the receipts.
      build: how it was built, for people.

    Raises:
      IncompleteError: a shard or its receipt is missing.
    """
    done = finished(target)
    receipts = {split: _receipts(target, split, done) for split in plan.parts}
    lost = [reject for some in receipts.values() for receipt in some for reject in receipt.rejects]
    contract = Contract(
        scheme=target.scheme,
        encoding=target.encoding,
        artists=plan.artists,
        splits={split: tuple(receipt.shard for receipt in some) for split, some in receipts.items()},
        fingerprint=target.fingerprint,
        seed=plan.seed,
        build={
            **build,
            "enlarged": sum(receipt.enlarged for some in receipts.values() for receipt in some),
            "rejects": len(rejects) + len(lost),
        },
    )
    rows = _painting_rows(plan, target, {reject.path for reject in lost})
    files.write(files.join(target.folder, PAINTINGS_FILE), paintings_table(rows))
    files.write(files.join(target.folder, REJECTS_FILE), [rejects_table([*rejects, *lost])])
    return contract


def write_metadata(folders: Sequence[str], contracts: Sequence[Contract]) -> None:
    """Writes what TFDS wants to know of each dataset."""
    for folder, contract in zip(folders, contracts, strict=True):
        for name, content in _tfds_metadata(contract).items():
            files.write(files.join(folder, name), [content])


def seal(folder: str, contract: Contract) -> None:
    """Marks a dataset finished."""
    files.write(files.join(folder, CONTRACT_FILE), [contract.to_json().encode()])


def _receipts(target: Target, split: str, done: Mapping[str, Receipt]) -> list[Receipt]:
    names = [shard_filename(target.scheme, split, index, target.shards[split]) for index in range(target.shards[split])]
    if missing := [name for name in names if name not in done]:
        raise IncompleteError(
            f"{target.folder}: {len(missing)} of {len(names)} shards of {split} were not written, {missing[0]} first. "
            "Run the same command again: only what is missing is written."
        )
    return [done[name] for name in names]


def _painting_rows(plan: Plan, target: Target, lost: set[str]) -> Iterator[PaintingRow]:
    for split in plan.parts:
        for work, shard in zip(plan.works(split), _shard_of(plan.paintings(split), target.shards[split]), strict=True):
            yield PaintingRow(
                painting_id=work.painting_id,
                path=work.path,
                artist=work.artist,
                label=work.label,
                split=work.split,
                shard=shard,
                records=0 if work.path in lost else target.scheme.count(work.width, work.height),
                digest=work.digest,
                group=work.group,
                copies=work.copies,
                width=work.width,
                height=work.height,
                bytes=work.bytes,
                **asdict(work.photograph),
            )


def _shard_of(paintings: int, count: int) -> Iterator[int]:
    for index in range(count):
        start, stop = shard_range(paintings, index, count)
        yield from [index] * (stop - start)


def tfds_features(scheme: Scheme, encoding: Encoding, labels: Sequence[str]) -> Any:
    """The `tfds.features.FeaturesDict` of a dataset's records."""
    import numpy as np
    import tensorflow_datasets as tfds

    shape = (scheme.size, scheme.size, 3)
    if encoding == "raw":
        image = tfds.features.Tensor(shape=shape, dtype=np.uint8, encoding=tfds.features.Encoding.BYTES)
    else:
        image = tfds.features.Image(shape=shape, dtype=np.uint8, encoding_format=encoding)
    return tfds.features.FeaturesDict(
        {
            "crop_box": tfds.features.Tensor(shape=(4,), dtype=np.float32),
            "crop_index": np.int64,
            "image": image,
            "label": tfds.features.ClassLabel(names=list(labels)),
            "painting_id": tfds.features.Text(),
            "source_size": tfds.features.Tensor(shape=(2,), dtype=np.int64),
        }
    )


def _tfds_metadata(contract: Contract) -> dict[str, bytes]:
    """TFDS's own files about a dataset: name -> content.

    They are made in a scratch folder with empty files for shards, so that this works for datasets on gs:// or s3://
    too, and so that each file reaches its place whole.
    """
    import tensorflow_datasets as tfds

    name = contract.scheme.name
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root) / name / VERSION
        folder.mkdir(parents=True)
        splits = []
        for split, shards in contract.splits.items():
            if not shards:
                continue
            for shard in shards:
                (folder / shard.filename).touch()
            splits.append(
                tfds.core.SplitInfo(
                    name=split,
                    shard_lengths=[shard.records for shard in shards],
                    num_bytes=sum(shard.bytes for shard in shards),
                    filename_template=tfds.core.ShardedFileTemplate(
                        dataset_name=name, split=split, filetype_suffix="tfrecord", data_dir=folder
                    ),
                )
            )
        features = tfds_features(contract.scheme, contract.encoding, contract.labels)
        tfds.folder_dataset.write_metadata(
            data_dir=str(folder),
            features=features,
            split_infos=splits,
            description=DESCRIPTION,
            check_data=False,
        )
        shard_names = {shard.filename for shards in contract.splits.values() for shard in shards}
        return {path.name: path.read_bytes() for path in folder.iterdir() if path.name not in shard_names}
