"""paintings.parquet: one row for each painting that a dataset was planned with; its name, schema, and who reads it."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from pipeline.errors import DatasetError

if TYPE_CHECKING:
    import pyarrow as pa

PAINTINGS_FILE = "paintings.parquet"
_BATCH = 1024  # rows held at a time by who reads
_GROUP = 2**15  # the same by who writes


@dataclass(frozen=True, slots=True)
class PaintingRow:
    """A painting, its file, and where its records are.

    Attributes:
      painting_id: of its records.
      path, artist, digest, width, height, bytes: of its file; digest is the hex SHA-256.
      label: index into the contract's artists.
      split, shard: where its records are: one of SPLITS, and the shard's number in it.
      records: how many it has; 0 where it could not be read when shards were written.
      group: painting_id of the first of its near copies; its own where it has none.
      copies: paths of exact copies that were left out.
      compression, profile, exif, gray, border: of `pictures.photograph.Photograph`; datasets of earlier versions have
        no such columns.
    """

    painting_id: str
    path: str
    artist: str
    label: int
    split: str
    shard: int
    records: int
    digest: str
    group: str
    copies: tuple[str, ...]
    width: int
    height: int
    bytes: int
    compression: int = 0
    profile: bool = False
    exif: bool = False
    gray: float = 0.0
    border: int = 0


PHOTOGRAPH = ("compression", "profile", "exif", "gray", "border")


def schema() -> pa.Schema:
    """The columns of the table, in order; those of `PaintingRow`."""
    import pyarrow as pa

    kinds = {
        "str": pa.string(),
        "int": pa.int32(),
        "bool": pa.bool_(),
        "float": pa.float32(),
        "tuple[str, ...]": pa.list_(pa.string()),
    }
    columns = [(field.name, kinds[str(field.type)]) for field in fields(PaintingRow)]
    return pa.schema([(name, pa.int64() if name == "bytes" else kind) for name, kind in columns])


def paintings_table(rows: Iterable[PaintingRow]) -> Iterator[bytes]:
    """The file's content, in pieces; of the rows no more than _GROUP are in memory."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    wanted = schema()
    remaining = iter(rows)
    sink = _Pieces()
    with pq.ParquetWriter(sink, wanted, compression="zstd") as writer:
        while held := tuple(itertools.islice(remaining, _GROUP)):
            columns = [pa.array((getattr(row, field.name) for row in held), field.type) for field in wanted]
            writer.write_table(pa.Table.from_arrays(columns, schema=wanted))
            yield sink.take()
    yield sink.take()


class _Pieces(io.RawIOBase):
    """A file that is written, and taken away piece by piece."""

    def __init__(self) -> None:
        super().__init__()
        self._held = bytearray()
        self._taken = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._taken + len(self._held)

    def write(self, data: Any) -> int:
        self._held += data
        return len(data)

    def close(self) -> None:
        """Keeps what is still to be taken."""

    def take(self) -> bytes:
        """What was written since the last time."""
        piece, self._held = bytes(self._held), bytearray()
        self._taken += len(piece)
        return piece


def read_paintings(table: bytes, where: str, *columns: str) -> Iterator[dict[str, Any]]:
    """Some columns of each row, a few rows in memory at a time.

    Args:
      table: the file's content.
      where: its path, for messages.
      columns: names of `PaintingRow`; none for all. Those of `PHOTOGRAPH` are left out where the table lacks them.

    Raises:
      DatasetError: it is cut short, or has other columns than it should.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq  # not read_table, nor its filters: they load 100 MiB of machinery

    try:
        file = pq.ParquetFile(io.BytesIO(table))
        found = {field.name: field.type for field in file.schema_arrow}
        lacking = [name for name in PHOTOGRAPH if name not in found]
        expected = [field for field in schema() if field.name not in lacking]
        if wrong := [field.name for field in expected if found.get(field.name) != field.type]:
            raise DatasetError(f"{where} has no column {wrong[0]} as this version writes it. Build the dataset again.")
        wanted = [name for name in columns if name not in lacking]
        for batch in file.iter_batches(_BATCH, columns=wanted or None, use_threads=False):
            if empty := [name for name in batch.schema.names if batch[name].null_count]:
                raise DatasetError(f"{where} has an empty cell in its column {empty[0]}. Build the dataset again.")
            yield from batch.to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise DatasetError(f"{where} cannot be read ({error}). Run the same pipeline.build command again.") from error
