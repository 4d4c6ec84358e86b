"""Datasets of any size for benchmarks of reading: a few real shards, and hard links to them under as many names.

A hard link is read like any file and takes no room, so that an epoch of 135,000 records costs the disk of one shard.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.dataset.contract import CONTRACT_FILE, SPLITS, Artist, Contract, Encoding, Shard, shard_filename
from pipeline.dataset.example import encode_example
from pipeline.dataset.frames import frame
from pipeline.dataset.paintings import PAINTINGS_FILE, PaintingRow, paintings_table
from pipeline.dataset.schemes import Scheme, parse_scheme
from pipeline.pictures.crops import encode

_ARTISTS = 50
_SIDES = (512, 512)  # pixels of the paintings that the crops are said to be of
_PAINTINGS_PER_SHARD = 60


def make(
    folder: Path, paintings: int, scheme: str = "crop64x16", held_out: int = 100, encoding: Encoding = "raw"
) -> Path:
    """A dataset of noise with `paintings` training and 2 x `held_out` other paintings; returns its folder.

    Training shards are links to one file. The others are real, since validation refuses a painting it has seen twice.
    """
    parsed = parse_scheme(scheme)
    folder.mkdir(parents=True)
    original = _write(folder / "original", parsed, encoding, 0, _PAINTINGS_PER_SHARD)
    count = -(-paintings // _PAINTINGS_PER_SHARD)
    train = []
    for number in range(count):
        name = shard_filename(parsed, "train", number, count)
        os.link(folder / "original", folder / name)
        train.append(Shard(name, original.records, original.paintings, original.bytes, original.sha256))
    others, rows = {}, list(_rows(parsed, "train", 0, _PAINTINGS_PER_SHARD))
    for number, split in enumerate(SPLITS[1:]):
        path, first = folder / shard_filename(parsed, split, 0, 1), (number + 1) * 1_000_000
        others[split] = (_write(path, parsed, encoding, first, held_out),)
        rows += _rows(parsed, split, first, held_out)
    (folder / PAINTINGS_FILE).write_bytes(b"".join(paintings_table(rows)))
    contract = Contract(
        scheme=parsed,
        encoding=encoding,
        artists=tuple(Artist(f"Artist {number}") for number in range(_ARTISTS)),
        splits={"train": tuple(train), **others},
        fingerprint=hashlib.sha256(f"synthetic {scheme} {paintings}".encode()).hexdigest(),
        seed=0,
    )
    (folder / CONTRACT_FILE).write_text(contract.to_json(), encoding="utf-8")
    return folder


def _write(path: Path, scheme: Scheme, encoding: Encoding, first: int, paintings: int) -> Shard:
    noise = np.random.default_rng(first)
    size, digest = 0, hashlib.sha256()
    with path.open("wb") as stream:
        for painting in range(first, first + paintings):
            for crop in range(scheme.count(*_SIDES)):
                image = _picture(noise, scheme.size, encoding)
                box = [0.0, 0.0, float(scheme.size), float(scheme.size)]
                record = encode_example(image, painting % _ARTISTS, f"{painting:016x}", crop, box, _SIDES)
                framed = frame(record)
                digest.update(framed)
                size += stream.write(framed)
    return Shard(path.name, paintings * scheme.count(*_SIDES), paintings, size, digest.hexdigest())


def _picture(noise: np.random.Generator, size: int, encoding: Encoding) -> bytes:
    """Noise; as a JPEG, with less of it in fine detail, so that it has as many bytes as a painting's window has."""
    if encoding == "raw":
        return noise.integers(0, 256, size**2 * 3, np.uint8).tobytes()
    coarse = Image.fromarray(noise.integers(0, 256, (size // 8, size // 8, 3), np.uint8)).resize((size, size))
    fine = noise.normal(0, 6, (size, size, 1))
    return encode(np.clip(np.asarray(coarse) + fine, 0, 255).astype(np.uint8), encoding)


def _rows(scheme: Scheme, split: str, first: int, paintings: int) -> Iterator[PaintingRow]:
    for painting in range(first, first + paintings):
        name, label = f"{painting:016x}", painting % _ARTISTS
        records = scheme.count(*_SIDES)
        yield PaintingRow(name, "", f"Artist {label}", label, split, 0, records, name, name, (), *_SIDES, 0)
