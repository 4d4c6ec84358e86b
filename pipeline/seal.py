"""Written shards become a dataset: checked against their receipts, described, and sealed.

What is written: paintings.parquet and rejects.csv, then TFDS metadata through TFDS's own API and the dataset card, and
last of all morelli.json. A folder without morelli.json is not a dataset yet.
"""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.card import PAINTINGS_FILE, REJECTS_FILE
from pipeline.dataset.contract import CONTRACT_FILE, VERSION, Contract, Encoding, shard_filename
from pipeline.dataset.rejects import Reject
from pipeline.dataset.scheme import Scheme
from pipeline.errors import DatasetError
from pipeline.plan import Plan, shard_range
from pipeline.shards import Receipt, Target, finished
from pipeline.storage import files

REJECT_COLUMNS = ("path", "artist", "reason", "detail")

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
      DatasetError: a shard or its receipt is missing.
    """
    receipts = {split: _receipts(target, split) for split in plan.works}
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
    files.write(files.join(target.folder, PAINTINGS_FILE), [_paintings_parquet(plan, target, {r.path for r in lost})])
    files.write(files.join(target.folder, REJECTS_FILE), [rejects_csv([*rejects, *lost])])
    return contract


def write_metadata(folders: Sequence[str], contracts: Sequence[Contract]) -> None:
    """Writes what TFDS wants to know of each dataset."""
    for folder, contract in zip(folders, contracts, strict=True):
        for name, content in _tfds_metadata(contract).items():
            files.write(files.join(folder, name), [content])


def seal(folder: str, contract: Contract) -> None:
    """Marks a dataset finished."""
    files.write(files.join(folder, CONTRACT_FILE), [contract.to_json().encode()])


def _receipts(target: Target, split: str) -> list[Receipt]:
    done = finished(target, split)
    names = [shard_filename(target.scheme, split, index, target.shards[split]) for index in range(target.shards[split])]
    if missing := [name for name in names if name not in done]:
        raise DatasetError(
            f"{target.folder}: {len(missing)} shards are missing after all were written, {missing[0]} first. "
            "Did something else change the folder? Run the same command again."
        )
    return [done[name] for name in names]


def _paintings_parquet(plan: Plan, target: Target, lost: set[str]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    works = [work for some in plan.works.values() for work in some]
    shards = [shard for split, some in plan.works.items() for shard in _shard_of(len(some), target.shards[split])]
    sink = io.BytesIO()
    columns: dict[str, Any] = {
        "painting_id": pa.array((work.painting_id for work in works), pa.string()),
        "path": pa.array((work.path for work in works), pa.string()),
        "artist": pa.array((work.artist for work in works), pa.string()),
        "label": pa.array((work.label for work in works), pa.int32()),
        "split": pa.array((work.split for work in works), pa.string()),
        "shard": pa.array(shards, pa.int32()),
        "records": pa.array((0 if work.path in lost else target.scheme.samples for work in works), pa.int32()),
        "digest": pa.array((work.digest for work in works), pa.string()),
        "group": pa.array((work.group for work in works), pa.string()),
        "copies": pa.array((work.copies for work in works), pa.list_(pa.string())),
        "width": pa.array((work.width for work in works), pa.int32()),
        "height": pa.array((work.height for work in works), pa.int32()),
        "bytes": pa.array((work.bytes for work in works), pa.int64()),
    }
    pq.write_table(pa.table(columns), sink, compression="zstd")
    return sink.getvalue()


def _shard_of(paintings: int, count: int) -> Iterator[int]:
    for index in range(count):
        start, stop = shard_range(paintings, index, count)
        yield from [index] * (stop - start)


def rejects_csv(rejects: Sequence[Reject]) -> bytes:
    """The table of rejects, as it lies beside a dataset."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(REJECT_COLUMNS)
    writer.writerows(
        (reject.path, reject.artist, reject.reason, reject.detail)
        for reject in sorted(rejects, key=lambda reject: (reject.path, reject.reason))
    )
    return text.getvalue().encode("utf-8", "backslashreplace")  # a file name need not be UTF-8


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
