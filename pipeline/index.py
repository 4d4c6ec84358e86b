"""Where in a shard do the pictures and labels of its records lie? Answered for all records of it at once, in memory.

Whoever knows where pictures lie copies each of them once, into the batch it is for. Parsing records one by one, or by
the batch, copies each several times, into memory that is new to the process: pages that are touched for the
first time cost ten times what copying into them costs.
"""

from __future__ import annotations

import io
import struct
from typing import NamedTuple

import google_crc32c
import numpy as np

from pipeline.errors import DamagedShardError
from pipeline.records import CRC_MASK, read_frames

_HEADER, _FOOTER = 12, 4  # bytes of a frame around its payload: length and CRC; CRC

# Tags of length-delimited protobuf fields: Example.features, an entry of Features.feature, its key and its value; and a
# Feature's kinds.
_FEATURES = _ENTRY = _KEY = _BYTES_LIST = _VALUES = 1 << 3 | 2
_FEATURE = 2 << 3 | 2
_INT64_LIST = 3 << 3 | 2


class Index(NamedTuple):
    """Of each record, in file order.

    Attributes:
      starts: int64[records], where its picture's bytes begin in the shard.
      lengths: int64[records], how many they are.
      labels: int64[records].
    """

    starts: np.ndarray
    lengths: np.ndarray
    labels: np.ndarray


class _ForeignError(Exception):
    """Bytes that `records.encode_example` does not write."""


def index(shard: np.ndarray, path: str) -> Index:
    """Locates the records of a shard, and checks their CRCs.

    Args:
      shard: uint8[bytes], the whole file.
      path: of the file, for messages.

    Raises:
      DamagedShardError: with the offset of the first record that is cut short, fails a CRC or is not one of ours.
    """
    try:
        begins, ends = _payloads(shard)
        at, length = _enter(shard, begins, _FEATURES)
        if (at + length != ends).any():
            raise _ForeignError
        found = {}
        for key, kind in ((b"crop_box", 0), (b"crop_index", 0), (b"image", _BYTES_LIST), (b"label", _INT64_LIST)):
            entry, length = _enter(shard, at, _ENTRY)
            _expect(shard, entry, bytes((_KEY, len(key))) + key)
            if kind:
                feature, _ = _enter(shard, entry + 2 + len(key), _FEATURE)
                values, _ = _enter(shard, feature, kind)
                found[key] = _enter(shard, values, _VALUES)
            at = entry + length
        starts, lengths = found[b"image"]
        if (starts + lengths > ends).any():
            raise _ForeignError
        return Index(starts, lengths, _varints(shard, found[b"label"][0])[0])
    except (_ForeignError, IndexError):
        for _ in read_frames(io.BytesIO(shard.tobytes()), path):  # says what is wrong, and where
            pass
        raise DamagedShardError(path, 0, "its records are not those of a dataset of this format") from None


def _payloads(shard: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """int64[records] each: where payloads begin and end. Raises _ForeignError where a CRC does not hold."""
    view, size = shard.data, len(shard)
    begins, ends, at = [], [], 0
    while at < size:
        if at + _HEADER > size:
            raise _ForeignError
        begin = at + _HEADER
        end = begin + struct.unpack_from("<Q", view, at)[0]
        at = end + _FOOTER
        if at > size:
            raise _ForeignError
        begins.append(begin)
        ends.append(end)
    first, last = np.array(begins, np.int64), np.array(ends, np.int64)
    value = google_crc32c.value
    _check(shard, first - 4, [value(shard[begin - _HEADER : begin - 4]) for begin in begins])
    _check(shard, last, [value(shard[begin:end]) for begin, end in zip(begins, ends, strict=True)])
    return first, last


def _check(shard: np.ndarray, places: np.ndarray, crcs: list[int]) -> None:
    """Raises _ForeignError where the masked CRCs at `places` are not those of `crcs`."""
    found = np.array(crcs, np.uint32)
    masked = (found >> 15 | found << 17) + np.uint32(CRC_MASK)
    stored = shard[places[:, None] + np.arange(4)].view("<u4")[:, 0] if crcs else masked
    if (stored != masked).any():
        raise _ForeignError


def _enter(shard: np.ndarray, at: np.ndarray, tag: int) -> tuple[np.ndarray, np.ndarray]:
    """Begin and length of the content of length-delimited fields. Raises _ForeignError where one has another tag."""
    _expect(shard, at, bytes((tag,)))
    length, begin = _varints(shard, at + 1)
    return begin, length


def _expect(shard: np.ndarray, at: np.ndarray, content: bytes) -> None:
    if (shard[at[:, None] + np.arange(len(content))] != np.frombuffer(content, np.uint8)).any():
        raise _ForeignError


def _varints(shard: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(values, where the next bytes lie) of base-128 integers."""
    values, going = np.zeros(len(at), np.int64), np.ones(len(at), bool)
    for shift in range(0, 63, 7):
        byte = shard[at]
        values |= np.where(going, byte & 0x7F, 0).astype(np.int64) << shift
        at = at + going
        going &= byte >= 0x80
        if not going.any():
            return values, at
    raise _ForeignError
