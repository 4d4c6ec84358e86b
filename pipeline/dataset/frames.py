"""TFRecord files: a record in its frame of lengths and checksums.

Framing: https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

import crc32c

from pipeline.errors import DamagedShardError

CRC_MASK = 0xA282EAD8  # added to the rotated CRCs of TFRecord frames


def _masked_crc(data: bytes) -> bytes:
    crc = crc32c.crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + CRC_MASK) & 0xFFFFFFFF)


def frame(payload: bytes) -> bytes:
    """One TFRecord: length, CRC of the length, payload, CRC of the payload."""
    length = struct.pack("<Q", len(payload))
    return b"".join((length, _masked_crc(length), payload, _masked_crc(payload)))


def read_frames(stream: BinaryIO, path: str) -> Iterator[tuple[int, bytes]]:
    """The (byte offset, payload) of each TFRecord of an open file, both CRCs checked.

    Raises:
      DamagedShardError: with the offset of the first record that is cut short or fails its CRC.
    """
    offset = 0
    while header := stream.read(12):
        if len(header) < 12:
            raise DamagedShardError(path, offset, "the file ends within a record's header")
        if _masked_crc(header[:8]) != header[8:]:
            raise DamagedShardError(path, offset, "the record's length fails its CRC")
        (length,) = struct.unpack("<Q", header[:8])
        body = stream.read(length + 4)
        if len(body) < length + 4:
            raise DamagedShardError(path, offset, "the file ends within a record")
        if _masked_crc(body[:-4]) != body[-4:]:
            raise DamagedShardError(path, offset, "the record fails its CRC")
        yield offset, body[:-4]
        offset += 12 + len(body)
