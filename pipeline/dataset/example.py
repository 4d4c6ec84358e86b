"""A record, encoded and decoded: one tf.train.Example, without TensorFlow.

    image        bytes      raw: size * size * 3 uint8, RGB, row by row; or a PNG or JPEG file
    label        int64      index into `Contract.labels`
    painting_id  bytes      ASCII; the same for all crops of a painting
    crop_index   int64      0 .. records of the painting - 1
    crop_box     float32[4] left, top, right, bottom in pixels of the upright source painting
    source_size  int64[2]   width, height in pixels of the upright source painting

Wire format: https://protobuf.dev/programming-guides/encoding/ ; the messages are Example > Features > map<string,
Feature>. TensorFlow is not imported, so that the processes that build stay small.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterator, Sequence
from typing import Any


def _varint(value: int) -> bytes:
    """Protobuf's base-128 encoding of a non-negative integer."""
    if value <= 0x7F:
        return bytes((value,))
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _field(number: int, payload: bytes) -> bytes:
    """A length-delimited field."""
    return bytes((number << 3 | 2,)) + _varint(len(payload)) + payload


def _bytes_feature(value: bytes) -> bytes:
    return _field(1, _field(1, value))


def _int64_feature(values: Sequence[int]) -> bytes:
    return _field(3, _field(1, b"".join(map(_varint, values))))


def _entry(key: str, feature: bytes) -> bytes:
    return _field(1, _field(1, key.encode()) + _field(2, feature))


_CROP_BOX_START = _entry("crop_box", _field(2, _field(1, bytes(16))))[:-16]


@functools.lru_cache(maxsize=1024)
def _crop_index_entry(crop_index: int) -> bytes:
    return _entry("crop_index", _int64_feature([crop_index]))


@functools.lru_cache(maxsize=16)
def _painting_entries(label: int, painting_id: str, source_size: tuple[int, ...]) -> bytes:
    """The entries that all crops of a painting share."""
    return (
        _entry("label", _int64_feature([label]))
        + _entry("painting_id", _bytes_feature(painting_id.encode()))
        + _entry("source_size", _int64_feature(source_size))
    )


@functools.lru_cache(maxsize=16)
def _image_start(length: int) -> bytes:
    """What comes before `length` bytes of pixels in each of the four messages around them, innermost last."""
    start = b""
    for more in (b"", b"", _field(1, b"image"), b""):
        number = 2 if more else 1
        start = more + bytes((number << 3 | 2,)) + _varint(len(start) + length) + start
    return start


def encode_example(
    image: bytes,
    label: int,
    painting_id: str,
    crop_index: int,
    crop_box: Sequence[float],
    source_size: Sequence[int],
) -> bytes:
    """A serialized tf.train.Example. Keys in sorted order: the same record always gives the same bytes.

    What crops have in common is encoded once, and the pixels are copied once: this is called for every record.
    """
    pieces = (
        _CROP_BOX_START + struct.pack("<4f", *crop_box),
        _crop_index_entry(crop_index),
        _image_start(len(image)),
        image,
        _painting_entries(label, painting_id, tuple(source_size)),
    )
    return b"".join((bytes((1 << 3 | 2,)), _varint(sum(map(len, pieces))), *pieces))


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    """(value, where the next byte lies)."""
    value = shift = 0
    while shift < 70:  # ten bytes, as protobuf's integers have at most
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
    raise ValueError("an integer has more than 64 bits")


def _read_fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The (number, payload) of the length-delimited fields that a message of ours consists of."""
    at = 0
    while at < len(data):
        key, at = _read_varint(data, at)
        if key & 7 != 2:
            raise ValueError(f"unexpected wire type {key & 7}")
        length, at = _read_varint(data, at)
        if at + length > len(data):
            raise ValueError("a field is longer than its message")
        yield key >> 3, data[at : at + length]
        at += length


def decode_example(payload: bytes) -> dict[str, Any]:
    """The inverse of `encode_example`: key -> bytes, a list of floats or a list of integers.

    Raises:
      ValueError: the bytes are not such an Example.
    """
    try:
        ((_, features),) = _read_fields(payload)
        result: dict[str, Any] = {}
        for _, entry in _read_fields(features):
            (_, key), (_, feature) = _read_fields(entry)
            ((kind, value_list),) = _read_fields(feature)
            ((_, value),) = _read_fields(value_list)
            if kind == 1:
                result[key.decode()] = value
            elif kind == 2:
                result[key.decode()] = list(struct.unpack(f"<{len(value) // 4}f", value))
            else:
                integers, at = [], 0
                while at < len(value):
                    integer, at = _read_varint(value, at)
                    integers.append(integer)
                result[key.decode()] = integers
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        raise ValueError(f"not a record: {error}") from error
    return result
