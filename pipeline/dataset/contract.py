"""The contract between builder and trainer: what a dataset says of itself.

A dataset is a folder `<scheme>/<version>/` of TFRecord shards named as TFDS names them, plus `morelli.json`, this
module's `Contract`. What a record holds stands in `pipeline.dataset.example`.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal

from pipeline.dataset.schemes import BY_NAME, Scheme
from pipeline.errors import DatasetError
from pipeline.storage import plain

VERSION = "1.0.0"
FORMAT = 2  # of morelli.json; from 1 it differs in how near copies were grouped when it was built
READABLE = (1, FORMAT)
CONTRACT_FILE = "morelli.json"
CARD_FILE = "card.html"
SPLITS = ("train", "validation", "test")
VALUE_RANGE = (0, 255)
_SMALLEST_RECORD = 150  # bytes; of a frame, the fields but the picture, and their names
_SHA256 = re.compile(r"[0-9a-f]{64}")

Encoding = Literal["raw", "png", "jpeg"]


@dataclass(frozen=True, slots=True)
class Artist:
    """A label, with what artists.csv says of the painter ("" where it says nothing)."""

    name: str
    years: str = ""
    genre: str = ""
    nationality: str = ""


@dataclass(frozen=True, slots=True)
class Shard:
    """One file of a split. `sha256` is of the whole file, in hex."""

    filename: str
    records: int
    paintings: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Contract:
    """What a sealed dataset says of itself (`morelli.json`).

    Attributes:
      scheme: the crop scheme of every record.
      encoding: how `image` is stored.
      artists: the labels, in label order.
      splits: split name -> its shards, in shard order.
      fingerprint: hex digest of everything that decides the records; two datasets with the same fingerprint
        hold the same records in the same order.
      seed: of splits, crop places and record order.
      build: how it was built (flags, versions, counts); for people, not part of the fingerprint.
      format: of morelli.json.
    """

    scheme: Scheme
    encoding: Encoding
    artists: tuple[Artist, ...]
    splits: dict[str, tuple[Shard, ...]]
    fingerprint: str
    seed: int
    build: dict[str, Any] = field(default_factory=dict)
    format: int = FORMAT

    @property
    def labels(self) -> tuple[str, ...]:
        """Artist names, in label order."""
        return tuple(artist.name for artist in self.artists)

    @property
    def data_dir(self) -> str:
        """The folder that it was built from; "" where it does not say."""
        found = self.build.get("data_dir")
        return found if isinstance(found, str) else ""

    def records(self, split: str) -> int:
        """Number of records in a split."""
        return sum(shard.records for shard in self.splits[split])

    def to_json(self) -> str:
        """The text of `morelli.json`."""
        content = _File(
            self.format,
            self.fingerprint,
            self.scheme,
            self.encoding,
            VALUE_RANGE,
            self.seed,
            self.artists,
            self.splits,
            self.build,
        )
        return json.dumps(plain.dump(content, BY_NAME), indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str, where: str = CONTRACT_FILE) -> Contract:
        """The inverse of `to_json`, checked as a whole: nobody who reads it need doubt what it says of itself.

        Raises:
          DatasetError: `text` is not a contract of this format.
        """
        try:
            content = plain.parse(text)
            if isinstance(content, dict) and content.get("format", FORMAT) not in READABLE:
                raise DatasetError(
                    f"{where} has format {content['format']}; this version reads formats "
                    f"{' and '.join(map(str, READABLE))}. "
                    "Build the dataset again."
                )
            file = plain.load(_File, content, BY_NAME)
            _check(file)
        except ValueError as error:
            raise DatasetError(f"{where} is not a dataset description: {error}. Build the dataset again.") from error
        return cls(
            scheme=file.scheme,
            encoding=file.encoding,
            artists=file.artists,
            splits={split: file.splits[split] for split in SPLITS},
            fingerprint=file.fingerprint,
            seed=file.seed,
            build=file.build,
            format=file.format,
        )


@dataclass(frozen=True, slots=True)
class _File:
    """The fields of `morelli.json`, in their order."""

    format: int
    fingerprint: str
    scheme: Scheme
    encoding: Encoding
    value_range: tuple[int, ...]
    seed: int
    artists: tuple[Artist, ...]
    splits: dict[str, tuple[Shard, ...]]
    build: dict[str, Any]


def _check(file: _File) -> None:
    """Raises ValueError where values have the right types, and cannot be those of a dataset."""
    if file.value_range != VALUE_RANGE:
        raise ValueError(f"expected pixel values 0..255, found {list(file.value_range)}")
    if not _SHA256.fullmatch(file.fingerprint):
        raise ValueError(f"the fingerprint {file.fingerprint[:80]!r} is no SHA-256")
    if not -(2**63) <= file.seed < 2**63:
        raise ValueError(f"the seed {file.seed} has more than 64 bits")
    names = Counter(artist.name for artist in file.artists)
    if not names or "" in names:
        raise ValueError("it names no artists" if not names else "an artist has no name")
    if max(names.values()) > 1:
        raise ValueError(f"it names {names.most_common(1)[0][0]!r} twice")
    if file.splits.keys() != set(SPLITS):
        raise ValueError(f"expected the splits {', '.join(SPLITS)}, found {', '.join(file.splits) or 'none'}")
    for split, shards in file.splits.items():
        for index, shard in enumerate(shards):
            if shard.filename != (name := shard_filename(file.scheme, split, index, len(shards))):
                raise ValueError(f"expected the shard {name}, found {shard.filename[:200]!r}")
            if not 0 <= shard.paintings <= shard.records <= shard.bytes // _SMALLEST_RECORD:
                raise ValueError(
                    f"{name} cannot hold {shard.records} records of {shard.paintings} paintings in {shard.bytes} bytes"
                )
            if not _SHA256.fullmatch(shard.sha256):
                raise ValueError(f"{name} has the checksum {shard.sha256[:80]!r}, which is no SHA-256")


def shard_filename(scheme: Scheme, split: str, index: int, count: int) -> str:
    """TFDS's name of a shard, such as `crop64x16-train.tfrecord-00000-of-00008`."""
    return f"{scheme.name}-{split}.tfrecord-{index:05d}-of-{count:05d}"
