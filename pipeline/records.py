"""The contract between builder and trainer: what a dataset holds, how a record is encoded and how it is parsed.

A dataset is a folder `<scheme>/<version>/` of TFRecord shards named as TFDS names them, plus `morelli.json`, this
module's `Contract`. A record is a `tf.train.Example`:

    image        bytes      raw: size * size * 3 uint8, RGB, row by row; or a PNG or JPEG file
    label        int64      index into `Contract.labels`
    painting_id  bytes      ASCII; the same for all crops of a painting
    crop_index   int64      0 .. samples - 1
    crop_box     float32[4] left, top, right, bottom in pixels of the upright source painting
    source_size  int64[2]   width, height in pixels of the upright source painting

Nothing here imports TensorFlow until a parse function is called: build workers stay small.
"""

from __future__ import annotations

import functools
import json
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import crc32c

from pipeline.errors import DamagedShardError, DatasetError

if TYPE_CHECKING:
    import tensorflow as tf

VERSION = "1.0.0"
FORMAT = 1  # of morelli.json
CONTRACT_FILE = "morelli.json"
SPLITS = ("train", "validation", "test")
VALUE_RANGE = (0, 255)
CRC_MASK = 0xA282EAD8  # added to the rotated CRCs of TFRecord frames

Encoding = Literal["raw", "png", "jpeg"]

_SCHEME_NAME = re.compile(r"(?:crop(?P<crop>\d+)x(?P<samples>\d+)|reshape(?P<reshape>\d+))")


@dataclass(frozen=True, slots=True, order=True)
class Scheme:
    """How a painting becomes records: `samples` square windows, or the whole painting squashed to a square.

    Attributes:
      kind: "crop" (windows at the painting's own resolution) or "reshape".
      size: side of the square, in pixels.
      samples: records per painting; 1 for "reshape".
    """

    kind: Literal["crop", "reshape"]
    size: int
    samples: int = 1

    def __post_init__(self) -> None:
        if not 8 <= self.size <= 4096:
            raise ValueError(f"Expected a size of 8 to 4096 pixels. Received {self.size}.")
        if not 1 <= self.samples <= 1024:
            raise ValueError(f"Expected 1 to 1024 samples per painting. Received {self.samples}.")
        if self.kind == "reshape" and self.samples != 1:
            raise ValueError(f"A reshaped painting gives one record. Received samples={self.samples}.")

    @property
    def name(self) -> str:
        """For example "crop64x16" or "reshape256"; also the dataset's folder and TFDS name."""
        return f"reshape{self.size}" if self.kind == "reshape" else f"crop{self.size}x{self.samples}"

    @classmethod
    def parse(cls, name: str) -> Scheme:
        """The scheme of that name. Raises ValueError for any other string."""
        match = _SCHEME_NAME.fullmatch(name)
        if not match:
            raise ValueError(f"Expected a scheme such as crop64x16 or reshape256. Received {name!r}.")
        if match["reshape"]:
            return cls("reshape", int(match["reshape"]))
        return cls("crop", int(match["crop"]), int(match["samples"]))


@dataclass(frozen=True, slots=True)
class Artist:
    """A label, with what artists.csv says of the painter ("" where it says nothing)."""

    name: str
    years: str = ""
    genre: str = ""
    nationality: str = ""


@dataclass(frozen=True, slots=True)
class Shard:
    """One file of a split. `sha256` is of the whole file, in hex."""

    filename: str
    records: int
    paintings: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Contract:
    """What a sealed dataset says of itself (`morelli.json`).

    Attributes:
      scheme: the crop scheme of every record.
      encoding: how `image` is stored.
      artists: the labels, in label order.
      splits: split name -> its shards, in shard order.
      fingerprint: hex digest of everything that decides the records; two datasets with the same fingerprint
        hold the same records in the same order.
      seed: of splits, crop places and record order.
      build: how it was built (flags, versions, counts); for people, not part of the fingerprint.
    """

    scheme: Scheme
    encoding: Encoding
    artists: tuple[Artist, ...]
    splits: dict[str, tuple[Shard, ...]]
    fingerprint: str
    seed: int
    build: dict[str, Any] = field(default_factory=dict)

    @property
    def labels(self) -> tuple[str, ...]:
        """Artist names, in label order."""
        return tuple(artist.name for artist in self.artists)

    def records(self, split: str) -> int:
        """Number of records in a split."""
        return sum(shard.records for shard in self.splits[split])

    def to_json(self) -> str:
        """The text of `morelli.json`."""
        content = {
            "format": FORMAT,
            "fingerprint": self.fingerprint,
            "scheme": self.scheme.name,
            "encoding": self.encoding,
            "value_range": list(VALUE_RANGE),
            "seed": self.seed,
            "artists": [asdict(artist) for artist in self.artists],
            "splits": {split: [asdict(shard) for shard in shards] for split, shards in self.splits.items()},
            "build": self.build,
        }
        return json.dumps(content, indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str, where: str = CONTRACT_FILE) -> Contract:
        """The inverse of `to_json`. Raises DatasetError where `text` is not a contract of this format."""
        try:
            content = json.loads(text)
            if content["format"] != FORMAT:
                raise DatasetError(
                    f"{where} has format {content['format']}; this version reads format {FORMAT}. "
                    "Build the dataset again."
                )
            if content["value_range"] != list(VALUE_RANGE):
                raise DatasetError(f"{where}: expected pixel values 0..255, found {content['value_range']}.")
            return cls(
                scheme=Scheme.parse(content["scheme"]),
                encoding=content["encoding"],
                artists=tuple(Artist(**artist) for artist in content["artists"]),
                splits={
                    split: tuple(Shard(**shard) for shard in shards) for split, shards in content["splits"].items()
                },
                fingerprint=content["fingerprint"],
                seed=content["seed"],
                build=content["build"],
            )
        except (ValueError, KeyError, TypeError) as error:
            raise DatasetError(f"{where} is not a dataset description: {error!r}. Build the dataset again.") from error


def read_contract(dataset_dir: str | Path) -> Contract:
    """The contract of a sealed local dataset folder, such as `datasets/crop64x16/1.0.0`.

    The folder above it (`datasets/crop64x16`) is accepted too.

    Raises:
      DatasetError: there is none, with what to do.
    """
    folder = resolve_dataset_dir(dataset_dir)
    return Contract.from_json((folder / CONTRACT_FILE).read_text(encoding="utf-8"), str(folder / CONTRACT_FILE))


def resolve_dataset_dir(dataset_dir: str | Path) -> Path:
    """The folder that holds `morelli.json`: `dataset_dir` itself, or its version folder. Raises DatasetError."""
    for folder in (Path(dataset_dir), Path(dataset_dir) / VERSION):
        if (folder / CONTRACT_FILE).is_file():
            return folder
    raise DatasetError(
        f"{dataset_dir} holds no finished dataset ({CONTRACT_FILE} is missing). "
        "Build one with: python -m pipeline.build --crop=64 --samples=16"
    )


def shard_filename(scheme: Scheme, split: str, index: int, count: int) -> str:
    """TFDS's name of a shard, such as `crop64x16-train.tfrecord-00000-of-00008`."""
    return f"{scheme.name}-{split}.tfrecord-{index:05d}-of-{count:05d}"


# --- Encoding: tf.train.Example and TFRecord framing, without TensorFlow ---------------------------------------------
# Wire format: https://protobuf.dev/programming-guides/encoding/ ; the messages are Example > Features > map<string,
# Feature>. Framing: https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details


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
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


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


# --- Parsing, in TensorFlow ------------------------------------------------------------------------------------------


def parse_batch(serialized: tf.Tensor, contract: Contract) -> dict[str, tf.Tensor]:
    """Parses a batch of records at once, which is three times as fast as one by one.

    Args:
      serialized: string[batch].
      contract: of the dataset the records come from.

    Returns:
      image uint8[batch, size, size, 3]; label int64[batch]; painting_id string[batch]; crop_index int64[batch];
      crop_box float32[batch, 4]; source_size int64[batch, 2].
    """
    import tensorflow as tf

    features = {
        "image": tf.io.FixedLenFeature([], tf.string),
        "label": tf.io.FixedLenFeature([], tf.int64),
        "painting_id": tf.io.FixedLenFeature([], tf.string),
        "crop_index": tf.io.FixedLenFeature([], tf.int64),
        "crop_box": tf.io.FixedLenFeature([4], tf.float32),
        "source_size": tf.io.FixedLenFeature([2], tf.int64),
    }
    parsed = tf.io.parse_example(serialized, features)
    return {**parsed, "image": decode_images(parsed["image"], contract)}


def decode_images(encoded: tf.Tensor, contract: Contract) -> tf.Tensor:
    """uint8[batch, size, size, 3] of the string[batch] that records hold as `image`."""
    import tensorflow as tf

    size = contract.scheme.size
    if contract.encoding == "raw":
        return tf.reshape(tf.io.decode_raw(encoded, tf.uint8), [-1, size, size, 3])
    return tf.map_fn(
        lambda image: tf.ensure_shape(tf.io.decode_image(image, channels=3, expand_animations=False), [size, size, 3]),
        encoded,
        fn_output_signature=tf.TensorSpec([size, size, 3], tf.uint8),
        parallel_iterations=1,  # the map that calls this is parallel already
    )
