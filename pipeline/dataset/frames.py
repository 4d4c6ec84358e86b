"""TFRecord files: a record in its frame of lengths and checksums.

Framing: https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import BinaryIO

import crc32c

from pipeline.errors import DamagedShardError

CRC_MASK = 0xA282EAD8  # added to the rotated CRCs of TFRecord frames


def masked_crc(data: bytes) -> bytes:
    """The CRC-32C of a frame's length or payload, as TFRecord files store it."""
    crc = crc32c.crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + CRC_MASK) & 0xFFFFFFFF)


def frame(payload: bytes) -> bytes:
    """One TFRecord: length, CRC of the length, payload, CRC of the payload."""
    length = struct.pack("<Q", len(payload))
    return b"".join((length, masked_crc(length), payload, masked_crc(payload)))


def read_frames(stream: BinaryIO, path: str) -> Iterator[tuple[int, bytes]]:
    """The (byte offset, payload) of each TFRecord of an open file, both CRCs checked.

    A length is held against what is left of the file before so much is read.

    Raises:
      DamagedShardError: with the offset of the first record that is cut short or fails its CRC.
    """
    size = stream.seek(0, io.SEEK_END)
    offset = stream.seek(0)
    while header := stream.read(12):
        if len(header) < 12:
            raise DamagedShardError(path, offset, "the file ends within a record's header")
        if masked_crc(header[:8]) != header[8:]:
            raise DamagedShardError(path, offset, "the record's length fails its CRC")
        (length,) = struct.unpack("<Q", header[:8])
        body = stream.read(min(length + 4, size))
        if len(body) < length + 4:
            raise DamagedShardError(path, offset, "the file ends within a record")
        if masked_crc(body[:-4]) != body[-4:]:
            raise DamagedShardError(path, offset, "the record fails its CRC")
        yield offset, body[:-4]
        offset += 12 + len(body)
