"""Small datasets that hold to the contract, written in a moment and without Beam.

Each artist paints in a hue and with a stripe direction of their own, over noise: a network learns to tell them apart
in a few steps, and no single pixel gives them away.
"""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.dataset.contract import CONTRACT_FILE, SPLITS, VERSION, Artist, Contract, Encoding, Shard, shard_filename
from pipeline.dataset.dataset import Dataset
from pipeline.dataset.example import decode_example, encode_example
from pipeline.dataset.frames import frame, read_frames
from pipeline.dataset.paintings import PAINTINGS_FILE, PaintingRow, paintings_table
from pipeline.dataset.schemes import Scheme, parse_scheme

ARTISTS = (
    Artist("Ada Umber", "1840 - 1900", "Realism", "Danish"),
    Artist("Béla Ochre", "1860 - 1921", "Impressionism", "Hungarian"),
    Artist("Cyn <Vermilion>", "1901 - 1960", "Abstract", "Welsh"),
    Artist("Dora Lake", "1599 - 1660", "Baroque", "Dutch"),
)


_SIDE = 256  # pixels of the paintings that the crops are said to be of


def make_dataset(
    folder: Path,
    artists: int = 4,
    paintings: int = 40,
    scheme: str = "crop64x16",
    *,
    seed: int = 0,
    encoding: Encoding = "raw",
    weights: Sequence[float] | None = None,
    shards: int = 4,
) -> Path:
    """Writes a dataset of `paintings` paintings and returns its folder, `folder/<scheme>/<version>`.

    Args:
      folder: what `--output_dir` is to the builder.
      artists: number of labels; beyond the four of `ARTISTS` they are numbered.
      paintings: of all artists and splits together; each artist has at least three, one for each split.
      scheme: name of a crop scheme.
      seed: two datasets of the same arguments are the same bytes, two of different seeds are not.
      encoding: of the images.
      weights: share of the paintings that each artist gets; even where None.
      shards: of the training split; the others have one each.
    """
    parsed = parse_scheme(scheme)
    names = [*ARTISTS, *(Artist(f"Painter {n:03d}") for n in range(len(ARTISTS), artists))][:artists]
    share = np.asarray(weights if weights is not None else [1.0] * artists, float)
    counts = np.maximum(3, np.round(share / share.sum() * paintings).astype(int))
    rows: dict[str, list[tuple[int, str]]] = {split: [] for split in SPLITS}
    for label, count in enumerate(counts):
        held_out = max(1, round(count * 0.1))
        for index in range(count):
            split = "test" if index < held_out else "validation" if index < 2 * held_out else "train"
            rows[split].append((label, hashlib.sha256(f"{seed}/{label}/{index}".encode()).hexdigest()[:16]))

    target = folder / parsed.name / VERSION
    target.mkdir(parents=True, exist_ok=True)
    splits = {
        split: _write_split(target, parsed, split, sorted(rows[split], key=lambda row: row[1]), encoding, n)
        for split, n in zip(SPLITS, (shards, 1, 1), strict=True)
    }
    contract = Contract(
        scheme=parsed,
        encoding=encoding,
        artists=tuple(names),
        splits=splits,
        fingerprint=hashlib.sha256(repr(splits).encode()).hexdigest(),
        seed=seed,
        build={"made_by": "tests.datasets"},
    )
    (target / CONTRACT_FILE).write_text(contract.to_json(), encoding="utf-8")
    table = [
        PaintingRow(name, "", names[label].name, label, split, n, parsed.count(_SIDE, _SIDE), name, name, (), 0, 0, 0)
        for split, count in zip(SPLITS, (shards, 1, 1), strict=True)
        for n in range(count)
        for label, name in sorted(rows[split], key=lambda row: row[1])[n::count]
    ]
    (target / PAINTINGS_FILE).write_bytes(b"".join(paintings_table(table)))
    return target


def _write_split(
    target: Path,
    scheme: Scheme,
    split: str,
    rows: list[tuple[int, str]],
    encoding: Encoding,
    shards: int,
) -> tuple[Shard, ...]:
    written = []
    for number in range(shards):
        mine = rows[number::shards]
        frames = [
            frame(_record(scheme, label, painting, crop, encoding))
            for label, painting in mine
            for crop in range(scheme.count(_SIDE, _SIDE))
        ]
        order = np.random.default_rng([number, len(frames)]).permutation(len(frames))
        content = b"".join(frames[i] for i in order)
        name = shard_filename(scheme, split, number, shards)
        (target / name).write_bytes(content)
        written.append(Shard(name, len(frames), len(mine), len(content), hashlib.sha256(content).hexdigest()))
    return tuple(written)


def _record(scheme: Scheme, label: int, painting: str, crop: int, encoding: Encoding) -> bytes:
    pixels = _pixels(scheme.size, label, np.random.default_rng([int(painting, 16), crop]))
    if encoding == "raw":
        image = pixels.tobytes()
    else:
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, encoding.upper())
        image = buffer.getvalue()
    box = scheme.places(_SIDE, _SIDE, 0, painting)[crop]
    return encode_example(image, label, painting, crop, box, [_SIDE, _SIDE])


def _pixels(size: int, label: int, rng: np.random.Generator) -> np.ndarray:
    """uint8[size, size, 3]: stripes in the artist's direction and hue, under noise."""
    angle, hue = label * 0.7, np.asarray([0.0, 2.1, 4.2]) + label * 1.3
    y, x = np.mgrid[:size, :size]
    stripes = np.sin((x * np.cos(angle) + y * np.sin(angle)) * 0.6 + rng.uniform(0, 6.28))
    colour = 128 + 40 * np.sin(hue)
    noise = rng.normal(0, 40, (size, size, 3))
    return np.clip(colour + 30 * stripes[..., None] + noise, 0, 255).astype(np.uint8)


def change_paintings(folder: Path, change: Callable[[PaintingRow], PaintingRow]) -> None:
    """Rewrites the paintings table of a dataset, row by row."""
    rows = [PaintingRow(**{**row, "copies": tuple(row["copies"])}) for row in Dataset.open(folder).planned()]
    (folder / PAINTINGS_FILE).write_bytes(b"".join(paintings_table(map(change, rows))))


def change_shard(folder: Path, split: str, number: int, change: Callable[[list[bytes]], bytes]) -> str:
    """Rewrites a shard of a dataset as a function of its records, and what the contract says of it; its path."""
    contract = Dataset.open(folder).contract
    shards = list(contract.splits[split])
    path = folder / shards[number].filename
    content = change([payload for _, payload in read_frames(io.BytesIO(path.read_bytes()), path.name)])
    path.write_bytes(content)
    shards[number] = replace(shards[number], bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
    changed = replace(contract, splits={**contract.splits, split: tuple(shards)})
    (folder / CONTRACT_FILE).write_text(changed.to_json(), encoding="utf-8")
    return str(path)


def with_fields(payload: bytes, **fields: object) -> bytes:
    """A record with other values in some fields."""
    found = decode_example(payload)
    found["painting_id"] = found["painting_id"].decode()
    (found["label"],), (found["crop_index"],) = found["label"], found["crop_index"]
    return encode_example(**{**found, **fields})


def crops(dataset: Path, split: str) -> Counter[bytes]:
    """The pictures of a split, as TensorFlow parses them."""
    from trainer.data.parse import parse_batch

    found: Counter[bytes] = Counter()
    contract = Dataset.open(dataset).contract
    for shard in contract.splits[split]:
        with (dataset / shard.filename).open("rb") as file:
            payloads = [payload for _, payload in read_frames(file, shard.filename)]
        found.update(image.tobytes() for image in parse_batch(payloads, contract)["image"])
    return found
