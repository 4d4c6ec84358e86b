"""The order of paintings, and how it is cut into shards and lots."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from pipeline.dataset.contract import FORMAT, Encoding
from pipeline.dataset.schemes import Scheme

MIN_SHARDS = 8  # of a split that has paintings enough: a reader interleaves shards, and workers share them out
MIN_PAINTINGS_PER_SHARD = 4


def keyed_order(seed: int, key: str) -> bytes:
    """A sort key that shuffles: uniform, and a function of (seed, key) alone."""
    return hashlib.blake2b(key.encode(), digest_size=16, salt=seed.to_bytes(8, "little", signed=True)).digest()


def shard_count(paintings: int, painting_bytes: int, shard_bytes: int) -> int:
    """How many shards a split is cut into: a power of two, so that the shards of any two schemes nest."""
    if paintings == 0:
        return 0
    wanted = max(paintings * painting_bytes / shard_bytes, min(MIN_SHARDS, paintings / MIN_PAINTINGS_PER_SHARD))
    count = 1
    while count < wanted and count * 2 <= paintings:
        count *= 2
    return count


def shard_range(paintings: int, index: int, count: int) -> tuple[int, int]:
    """First and past-the-last painting of shard `index` of `count`; a coarser power of two has unions of these."""
    return paintings * index // count, paintings * (index + 1) // count


class Placed(Protocol):
    """What a fingerprint takes of a painting."""

    @property
    def painting_id(self) -> str:
        """Of its records."""

    @property
    def label(self) -> int:
        """Its artist's."""


@dataclass(frozen=True, slots=True)
class Records:
    """What beside paintings decides a dataset's records; `shards`: how many each split has."""

    scheme: Scheme
    encoding: Encoding
    seed: int
    labels: tuple[str, ...]
    shards: Mapping[str, int]
    format: int = FORMAT


def fingerprints(datasets: Sequence[Records], works: Mapping[str, Iterable[Placed]]) -> list[str]:
    """Hex SHA-256 of all that decides the records and their order, of each dataset that is made of the same paintings.

    Args:
      datasets: to take the fingerprint of.
      works: split -> its paintings, in order; each is read once.
    """
    hashes = [hashlib.sha256(_head(dataset)) for dataset in datasets]

    def add(text: str) -> None:
        for each in hashes:
            each.update(text.encode())

    for number, split in enumerate(sorted(works)):
        add(f"{', ' if number else ''}{json.dumps(split)}: [")
        for place, work in enumerate(works[split]):
            add(f"{', ' if place else ''}{json.dumps([work.painting_id, work.label], ensure_ascii=False)}")
        add("]")
    add("}}")
    return [each.hexdigest() for each in hashes]


def _head(dataset: Records) -> bytes:
    """JSON up to where the paintings come, which are last by the alphabet."""
    content = {
        "format": dataset.format,
        "scheme": dataset.scheme.name,
        "encoding": dataset.encoding,
        "seed": dataset.seed,
        "labels": list(dataset.labels),
        "shards": dict(dataset.shards),
    }
    return f'{json.dumps(content, sort_keys=True, ensure_ascii=False)[:-1]}, "works": {{'.encode()
