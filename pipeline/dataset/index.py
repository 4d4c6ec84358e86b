"""Where in shards do the pictures and labels of their records lie? Answered for all records at once, in memory.

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

from pipeline.dataset.frames import CRC_MASK, read_frames
from pipeline.errors import DamagedShardError

_HEADER, _FOOTER = 12, 4  # bytes of a frame around its payload: length and CRC; CRC

# Tags of length-delimited protobuf fields: Example.features, an entry of Features.feature, its key and its value; and a
# Feature's kinds.
_FEATURES = _ENTRY = _KEY = _BYTES_LIST = _VALUES = 1 << 3 | 2
_FEATURE = 2 << 3 | 2
_INT64_LIST = 3 << 3 | 2


class Extent(NamedTuple):
    """Where a whole shard lies in memory: `size` bytes from `start` on; its path is for messages."""

    path: str
    start: int
    size: int


class Index(NamedTuple):
    """Of each record, in the order of their extents and of the file.

    Attributes:
      starts: int64[records], where its picture's bytes begin in memory.
      lengths: int64[records], how many they are.
      labels: int64[records].
      begins, ends: int64[records], of the payload that has all this in it.
      crcs: uint32[records], what the payload's CRC should be.
      extents: the shards.
    """

    starts: np.ndarray
    lengths: np.ndarray
    labels: np.ndarray
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
        begins, ends = map(np.concatenate, zip(*(_payloads(memory, extent) for extent in extents), strict=True))
        at, length = _enter(memory, begins, _FEATURES)
        if (at + length != ends).any():
            raise _ForeignError
        found = {}
        for key, kind in ((b"crop_box", 0), (b"crop_index", 0), (b"image", _BYTES_LIST), (b"label", _INT64_LIST)):
            entry, length = _enter(memory, at, _ENTRY)
            _expect(memory, entry, bytes((_KEY, len(key))) + key)
            if kind:
                feature, _ = _enter(memory, entry + 2 + len(key), _FEATURE)
                values, _ = _enter(memory, feature, kind)
                found[key] = _enter(memory, values, _VALUES)
            at = entry + length
        starts, lengths = found[b"image"]
        if (at > ends).any() or (starts + lengths > ends).any():
            raise _ForeignError
        labels, _ = _varints(memory, found[b"label"][0])
        return Index(starts, lengths, labels, begins, ends, _stored_crcs(memory, ends), extents)
    except (_ForeignError, IndexError):
        for extent in extents if len(extents) > 1 else ():
            index(memory, [extent])  # is it this one?
        shard = memory[extents[0].start :][: extents[0].size]
        for _ in read_frames(io.BytesIO(shard.tobytes()), extents[0].path):  # says what is wrong, and where
            pass
        raise DamagedShardError(extents[0].path, 0, "its records are not those of a dataset of this format") from None


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
        frame = int(found.begins[records[bad[0]]]) - _HEADER
        extent = next(each for each in found.extents if each.start <= frame < each.start + each.size)
        raise DamagedShardError(extent.path, frame - extent.start, "the record fails its CRC")


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


def _enter(memory: np.ndarray, at: np.ndarray, tag: int) -> tuple[np.ndarray, np.ndarray]:
    """Begin and length of the content of length-delimited fields. Raises _ForeignError where one has another tag."""
    _expect(memory, at, bytes((tag,)))
    length, begin = _varints(memory, at + 1)
    return begin, length


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
