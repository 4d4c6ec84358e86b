"""The records of a shard, held against what the contract says: the one judge for verify, card, training and validation.

Whoever looks at records one by one reads them with `read_records`. Training and validation, which want millions, locate
those of whole shards at once; both hold them against the same rules, and name the shard and the place in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from pipeline.dataset.contract import Contract, Shard
from pipeline.dataset.example import decode_example
from pipeline.dataset.frames import read_frames
from pipeline.dataset.index import Extent, Index, check, damaged, index
from pipeline.dataset.pixels import UndecodableError, decode_pixels
from pipeline.errors import DamagedShardError

MOST_ID = 64  # characters of a painting's id
_MOST_SIDE = 2**31 - 1  # pixels of a source; of all formats that can be read
_PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"


@dataclass(frozen=True, slots=True)
class Record:
    """The fields of a record; see `pipeline.dataset.example`."""

    image: bytes
    label: int
    painting_id: str
    crop_index: int
    crop_box: tuple[float, float, float, float]
    source_size: tuple[int, int]


_COUNTS = {"label": 1, "crop_index": 1, "crop_box": 4, "source_size": 2}


def parse_record(payload: bytes, contract: Contract) -> Record:
    """A record of a dataset.

    Raises:
      ValueError: says what is wrong with it, as the end of a sentence about the record.
    """
    try:
        content = decode_example(payload)
    except ValueError as error:
        raise ValueError(f"cannot be read ({error})") from error
    for name in Record.__slots__:
        if name not in content:
            raise ValueError(f"has no {name}")
        kind, count = (float if name == "crop_box" else int), _COUNTS.get(name)
        if count is None:
            sound = isinstance(content[name], bytes)
        else:
            sound = isinstance(content[name], list) and [type(each) for each in content[name]] == [kind] * count
        if not sound:
            raise ValueError(f"has another {name} than a record of this format")
    try:
        painting = content["painting_id"].decode("ascii")
    except UnicodeDecodeError:
        raise ValueError("has a painting_id that is not ASCII") from None
    record = Record(
        content["image"],
        content["label"][0],
        painting,
        content["crop_index"][0],
        tuple(content["crop_box"]),
        tuple(content["source_size"]),
    )
    if what := _fault(record, contract):
        raise ValueError(what)
    return record


def _fault(record: Record, contract: Contract) -> str:
    """What of a record cannot be in a dataset of that contract; "" of a sound one."""
    (width, height), (left, top, right, bottom) = record.source_size, record.crop_box
    if not 0 <= record.label < len(contract.artists):
        return f"has label {record.label}, of {len(contract.artists)} artists"
    if not (0 < len(record.painting_id) <= MOST_ID and record.painting_id.isprintable()):
        return f"has the painting_id {record.painting_id[:MOST_ID]!r}"
    if not (0 < width <= _MOST_SIDE and 0 < height <= _MOST_SIDE):
        return f"says that its painting has {width} x {height} pixels"
    if not 0 <= record.crop_index < (count := contract.scheme.count(width, height)):
        return f"has crop_index {record.crop_index}, of {count} crops"
    wide, high = float(np.float32(width)), float(np.float32(height))  # as boxes are stored
    if not (0 <= left < right <= wide and 0 <= top < bottom <= high):
        return f"has the crop_box {', '.join(f'{side:g}' for side in record.crop_box)} in {width} x {height} pixels"
    return picture_fault(record.image, contract)


def picture_fault(image: bytes, contract: Contract) -> str:
    """What is wrong with a picture as its header tells, before anything is decoded; "" where nothing is."""
    size = contract.scheme.size
    if contract.encoding == "raw":
        wanted = size * size * 3
        return "" if len(image) == wanted else f"has {len(image):,} bytes of pixels, not {wanted:,}"
    try:
        found = _png_size(image) if contract.encoding == "png" else _jpeg_size(image)
    except ValueError as error:
        return f"has a picture that is no {contract.encoding.upper()} ({error})"
    return "" if found == (size, size) else f"has a picture of {found[0]} x {found[1]} pixels, not {size} x {size}"


def _png_size(image: bytes) -> tuple[int, int]:
    if not image.startswith(_PNG) or len(image) < 24:
        raise ValueError("it does not start as one")
    return int.from_bytes(image[16:20], "big"), int.from_bytes(image[20:24], "big")


def _jpeg_size(image: bytes) -> tuple[int, int]:
    import simplejpeg

    height, width, _, _ = simplejpeg.decode_jpeg_header(image)
    return width, height


def read_records(stream: BinaryIO, path: str, contract: Contract) -> Iterator[tuple[int, Record]]:
    """The (byte offset, record) of each record of an open shard.

    Raises:
      DamagedShardError: with the offset of the first record that is damaged, or not one of such a dataset.
    """
    for offset, payload in read_frames(stream, path):
        try:
            record = parse_record(payload, contract)
        except ValueError as error:
            raise DamagedShardError(path, offset, f"the record {error}") from error
        yield offset, record


def locate(memory: np.ndarray, extents: Sequence[Extent], shards: Sequence[Shard], contract: Contract) -> Index:
    """Locates the records of whole shards in memory, and holds them against the contract, all at once.

    CRCs of records are still to be checked, with `index.check`, by whoever uses them.

    Args:
      memory: uint8[bytes], with whole files in it.
      extents: of them, in the order in which they lie there.
      shards: what the contract says of each.
      contract: of the dataset.

    Raises:
      DamagedShardError: as `read_records`; or a shard holds more or fewer records than it should.
    """
    found = index(memory, extents)
    starts = np.array([extent.start for extent in extents])
    counts: list[int] = np.diff(np.searchsorted(found.begins, [*starts, len(memory)])).tolist()
    for extent, shard, count in zip(extents, shards, counts, strict=True):
        if count != shard.records:
            raise DamagedShardError(extent.path, extent.size, f"it holds {count} records, {shard.records} were written")
    suspects = np.flatnonzero(_suspects(memory, found, contract))
    for record in suspects.tolist():
        check(memory, found, np.array([record]))
        payload = memory[found.begins[record] : found.ends[record]].tobytes()
        try:
            parse_record(payload, contract)
        except ValueError as error:
            raise damaged(found, record, f"the record {error}") from error
    return found


def _suspects(memory: np.ndarray, found: Index, contract: Contract) -> np.ndarray:
    """bool[records]: all that `_fault` would find fault with, and perhaps more."""
    wide, high = found.source_sizes.T
    left, top, right, bottom = found.crop_boxes.T
    with np.errstate(invalid="ignore"):
        placed = (left >= 0) & (left < right) & (right <= wide) & (top >= 0) & (top < bottom) & (bottom <= high)
    sound = (
        (found.labels >= 0)
        & (found.labels < len(contract.artists))
        & (wide <= _MOST_SIDE)
        & (high <= _MOST_SIDE)
        & placed
        & _are_ids(memory, found)
    )
    sizes, of = np.unique(np.where(sound[:, None], found.source_sizes, 1), axis=0, return_inverse=True)
    counts = np.array([contract.scheme.count(*size) for size in sizes.tolist()], float)
    sound &= (found.crop_indexes >= 0) & (found.crop_indexes < counts[of.reshape(-1)])
    if contract.encoding == "raw":
        return np.asarray(~(sound & (found.lengths == contract.scheme.size**2 * 3)))
    for record in np.flatnonzero(sound).tolist():
        start = found.starts[record]
        sound[record] = not picture_fault(memory[start : start + found.lengths[record]].tobytes(), contract)
    return np.asarray(~sound)


def _are_ids(memory: np.ndarray, found: Index) -> np.ndarray:
    """bool[records]: whether paintings' ids are some printable characters of ASCII."""
    sound = (found.id_lengths > 0) & (found.id_lengths <= MOST_ID)
    longest = int(found.id_lengths[sound].max(initial=0))
    columns = np.arange(longest)
    within = columns < found.id_lengths[:, None]
    letters = memory[np.minimum(found.id_starts[:, None] + columns, len(memory) - 1)] if longest else within
    return sound & ((letters >= 0x20) & (letters < 0x7F) | ~within).all(axis=1)


def painting_ids(memory: np.ndarray, found: Index, records: np.ndarray) -> list[str]:
    """The ids of the paintings of some records."""
    spans = zip(found.id_starts[records].tolist(), found.id_lengths[records].tolist(), strict=True)
    return [memory[start : start + length].tobytes().decode("ascii") for start, length in spans]


def undecodable(stream: BinaryIO, path: str, contract: Contract) -> DamagedShardError | None:
    """The error of the first record of an open shard whose picture cannot be decoded; None where all can be.

    Raises:
      DamagedShardError: a record is damaged in another way.
    """
    for offset, record in read_records(stream, path, contract):
        try:
            decode_pixels(record.image, contract)
        except UndecodableError as error:
            return DamagedShardError(path, offset, f"the record has a picture that cannot be decoded ({error})")
    return None
