"""The contract between builder and trainer: what a dataset says of itself.

A dataset is a folder `<scheme>/<version>/` of TFRecord shards named as TFDS names them, plus `morelli.json`, this
module's `Contract`. What a record holds stands in `pipeline.dataset.example`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from pipeline.dataset.schemes import Scheme, parse_scheme
from pipeline.errors import DatasetError

VERSION = "1.0.0"
FORMAT = 1  # of morelli.json
CONTRACT_FILE = "morelli.json"
CARD_FILE = "card.html"
SPLITS = ("train", "validation", "test")
VALUE_RANGE = (0, 255)

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
    """

    scheme: Scheme
    encoding: Encoding
    artists: tuple[Artist, ...]
    splits: dict[str, tuple[Shard, ...]]
    fingerprint: str
    seed: int
    build: dict[str, Any] = field(default_factory=dict)

    @property
    def labels(self) -> tuple[str, ...]:
        """Artist names, in label order."""
        return tuple(artist.name for artist in self.artists)

    def records(self, split: str) -> int:
        """Number of records in a split."""
        return sum(shard.records for shard in self.splits[split])

    def to_json(self) -> str:
        """The text of `morelli.json`."""
        content = {
            "format": FORMAT,
            "fingerprint": self.fingerprint,
            "scheme": self.scheme.name,
            "encoding": self.encoding,
            "value_range": list(VALUE_RANGE),
            "seed": self.seed,
            "artists": [asdict(artist) for artist in self.artists],
            "splits": {split: [asdict(shard) for shard in shards] for split, shards in self.splits.items()},
            "build": self.build,
        }
        return json.dumps(content, indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str, where: str = CONTRACT_FILE) -> Contract:
        """The inverse of `to_json`. Raises DatasetError where `text` is not a contract of this format."""
        try:
            content = json.loads(text)
            if content["format"] != FORMAT:
                raise DatasetError(
                    f"{where} has format {content['format']}; this version reads format {FORMAT}. "
                    "Build the dataset again."
                )
            if content["value_range"] != list(VALUE_RANGE):
                raise DatasetError(f"{where}: expected pixel values 0..255, found {content['value_range']}.")
            return cls(
                scheme=parse_scheme(content["scheme"]),
                encoding=content["encoding"],
                artists=tuple(Artist(**artist) for artist in content["artists"]),
                splits={
                    split: tuple(Shard(**shard) for shard in shards) for split, shards in content["splits"].items()
                },
                fingerprint=content["fingerprint"],
                seed=content["seed"],
                build=content["build"],
            )
        except (ValueError, KeyError, TypeError) as error:
            raise DatasetError(f"{where} is not a dataset description: {error!r}. Build the dataset again.") from error


def shard_filename(scheme: Scheme, split: str, index: int, count: int) -> str:
    """TFDS's name of a shard, such as `crop64x16-train.tfrecord-00000-of-00008`."""
    return f"{scheme.name}-{split}.tfrecord-{index:05d}-of-{count:05d}"
