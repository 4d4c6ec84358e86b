"""Where in shards do pictures lie, and what else do their records say? Answered for all records at once, in memory.

Whoever knows where pictures lie copies each of them once, into the batch it is for. Parsing records one by one, or by
the batch, copies each several times, into memory that is new to the process: pages that are touched for the
first time cost ten times what copying into them costs.

CRCs of payloads are checked apart, a batch at a time, right before it is copied: that brings it into the processor's
cache, and is done by another thread than the one that reads files.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from typing import NamedTuple

import crc32c
import numpy as np

from pipeline.dataset.frames import CRC_MASK, frame, read_frames
from pipeline.errors import DamagedShardError

_HEADER, _FOOTER = 12, 4  # bytes of a frame around its payload: length and CRC; CRC

# Tags of length-delimited protobuf fields: Example.features, an entry of Features.feature, its key and its value; and a
# Feature's kinds.
_FEATURES = _ENTRY = _KEY = _BYTES_LIST = _VALUES = 1 << 3 | 2
_FEATURE = 2 << 3 | 2
_FLOAT_LIST = 2 << 3 | 2
_INT64_LIST = 3 << 3 | 2
_KINDS = {  # of the fields of a record, in their order; how many values each has
    b"crop_box": (_FLOAT_LIST, 4),
    b"crop_index": (_INT64_LIST, 1),
    b"image": (_BYTES_LIST, 1),
    b"label": (_INT64_LIST, 1),
    b"painting_id": (_BYTES_LIST, 1),
    b"source_size": (_INT64_LIST, 2),
}


class Extent(NamedTuple):
    """Where a whole shard lies in memory: `size` bytes from `start` on; its path is for messages."""

    path: str
    start: int
    size: int


class Index(NamedTuple):
    """Of each record, in the order of their extents and of the file.

    Attributes:
      starts, lengths: int64[records], where its picture's bytes lie in memory, and how many they are.
      labels: int64[records].
      id_starts, id_lengths: int64[records], of its painting's id, likewise.
      crop_indexes: int64[records].
      crop_boxes: float32[records, 4].
      source_sizes: int64[records, 2].
      begins, ends: int64[records], of the payload that has all this in it.
      crcs: uint32[records], what the payload's CRC should be.
      extents: the shards.
    """

    starts: np.ndarray
    lengths: np.ndarray
    labels: np.ndarray
    id_starts: np.ndarray
    id_lengths: np.ndarray
    crop_indexes: np.ndarray
    crop_boxes: np.ndarray
    source_sizes: np.ndarray
    begins: np.ndarray
    ends: np.ndarray
    crcs: np.ndarray
    extents: Sequence[Extent]


class _ForeignError(Exception):
    """Bytes that `records.encode_example` does not write."""


def index(memory: np.ndarray, extents: Sequence[Extent]) -> Index:
    """Locates the records of shards.

    Args:
      memory: uint8[bytes], with whole files in it.
      extents: of them.

    Raises:
      DamagedShardError: with the offset of the first record that is cut short or not one of ours, or has a length that
        fails its CRC. What else may be damaged, `check` finds.
    """
    try:
        return _index(memory, extents)
    except (_ForeignError, IndexError):
        for extent in extents if len(extents) > 1 else ():
            index(memory, [extent])  # is it this one?
        raise _foreign(memory, extents[0]) from None


def _foreign(memory: np.ndarray, extent: Extent) -> DamagedShardError:
    """What is wrong with a shard that is not as it should be, and where, found record by record."""
    shard = memory[extent.start :][: extent.size]
    try:
        for offset, payload in read_frames(io.BytesIO(shard.tobytes()), extent.path):
            alone = np.frombuffer(frame(payload), np.uint8)
            try:
                _index(alone, [Extent("", 0, len(alone))])
            except (_ForeignError, IndexError):
                return DamagedShardError(extent.path, offset, "the record is not one of a dataset of this format")
    except DamagedShardError as error:
        return error
    raise AssertionError(f"{extent.path} is sound record by record, and not as a whole")


def _index(memory: np.ndarray, extents: Sequence[Extent]) -> Index:
    """`index`. Raises _ForeignError or IndexError where anything is wrong."""
    begins, ends = map(np.concatenate, zip(*(_payloads(memory, extent) for extent in extents), strict=True))
    at, stop = _enter(memory, begins, ends, _FEATURES)
    if (stop != ends).any():
        raise _ForeignError
    content = {}
    for key, (kind, _) in _KINDS.items():
        entry, stop = _enter(memory, at, ends, _ENTRY)
        _expect(memory, entry, bytes((_KEY, len(key))) + key)
        feature, most = _enter(memory, entry + 2 + len(key), stop, _FEATURE)
        values, most = _enter(memory, feature, most, kind)
        content[key] = _enter(memory, values, most, _VALUES)
        at = stop
    if (at != ends).any():
        raise _ForeignError
    integers = {
        key: _integers(memory, *content[key], count) for key, (kind, count) in _KINDS.items() if kind == _INT64_LIST
    }
    return Index(
        *_extent(content[b"image"]),
        integers[b"label"][:, 0],
        *_extent(content[b"painting_id"]),
        integers[b"crop_index"][:, 0],
        _floats(memory, *content[b"crop_box"], _KINDS[b"crop_box"][1]),
        integers[b"source_size"],
        begins,
        ends,
        _stored_crcs(memory, ends),
        extents,
    )


def check(memory: np.ndarray, found: Index, records: np.ndarray) -> None:
    """Computes the CRCs of some records.

    Args:
      memory: uint8[bytes].
      found: by `index` in it.
      records: int64[some], which of its records.

    Raises:
      DamagedShardError: with the offset of the first whose CRC is not the one stored with it.
    """
    spans = zip(found.begins[records].tolist(), found.ends[records].tolist(), strict=True)
    view = memory.data
    crcs = np.array([crc32c.crc32c(view[begin:end]) for begin, end in spans], np.uint32)
    if len(bad := np.flatnonzero(crcs != found.crcs[records])):
        raise damaged(found, int(records[bad[0]]), "the record fails its CRC")


def damaged(found: Index, record: int, what: str) -> DamagedShardError:
    """The error that says where one of the records lies."""
    at = int(found.begins[record]) - _HEADER
    extent = next(each for each in found.extents if each.start <= at < each.start + each.size)
    return DamagedShardError(extent.path, at - extent.start, what)


def _payloads(memory: np.ndarray, extent: Extent) -> tuple[np.ndarray, np.ndarray]:
    """int64[records] each: where payloads begin and end. Raises _ForeignError where a length's CRC does not hold."""
    view, at, end = memory.data, extent.start, extent.start + extent.size
    begins, ends, crcs = [], [], []
    while at < end:
        if at + _HEADER > end:
            raise _ForeignError
        begins.append(at + _HEADER)
        ends.append(at + _HEADER + struct.unpack_from("<Q", view, at)[0])
        crcs.append(crc32c.crc32c(view[at : at + 8]))
        at = ends[-1] + _FOOTER
        if at > end:
            raise _ForeignError
    first, last = np.array(begins, np.int64), np.array(ends, np.int64)
    if (_stored_crcs(memory, first - 4) != np.array(crcs, np.uint32)).any():
        raise _ForeignError
    return first, last


def _stored_crcs(memory: np.ndarray, places: np.ndarray) -> np.ndarray:
    """uint32 of each place: the CRC that lies there, masked as in TFRecord files, without its mask."""
    if not len(places):
        return np.empty(0, np.uint32)
    rotated = memory[places[:, None] + np.arange(4)].view("<u4")[:, 0] - np.uint32(CRC_MASK)
    return rotated >> 17 | rotated << 15


def _enter(memory: np.ndarray, at: np.ndarray, ends: np.ndarray, tag: int) -> tuple[np.ndarray, np.ndarray]:
    """Where the content of length-delimited fields begins and ends.

    Raises:
      _ForeignError: one has another tag, or goes past what it lies in, which ends at `ends`.
    """
    _expect(memory, at, bytes((tag,)))
    length, begin = _varints(memory, at + 1)
    if (length > ends - begin).any():
        raise _ForeignError
    return begin, begin + length


def _extent(content: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    begins, ends = content
    return begins, ends - begins


def _integers(memory: np.ndarray, at: np.ndarray, ends: np.ndarray, count: int) -> np.ndarray:
    """int64[records, count]. Raises _ForeignError where there are fewer or more between `at` and `ends`."""
    columns = []
    for _ in range(count):
        values, at = _varints(memory, at)
        columns.append(values)
    if (at != ends).any():
        raise _ForeignError
    return np.stack(columns, axis=1)


def _floats(memory: np.ndarray, at: np.ndarray, ends: np.ndarray, count: int) -> np.ndarray:
    """float32[records, count]. Raises _ForeignError likewise."""
    if (ends - at != 4 * count).any():
        raise _ForeignError
    return memory[at[:, None] + np.arange(4 * count)].view("<f4").reshape(len(at), count)


def _expect(memory: np.ndarray, at: np.ndarray, content: bytes) -> None:
    if (memory[at[:, None] + np.arange(len(content))] != np.frombuffer(content, np.uint8)).any():
        raise _ForeignError


def _varints(memory: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(values, where the next bytes lie) of base-128 integers."""
    values, going = np.zeros(len(at), np.int64), np.ones(len(at), bool)
    for shift in range(0, 63, 7):
        byte = memory[at]
        values |= np.where(going, byte & 0x7F, 0).astype(np.int64) << shift
        at = at + going
        going &= byte >= 0x80
        if not going.any():
            return values, at
    raise _ForeignError
