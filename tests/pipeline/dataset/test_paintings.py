"""The table of paintings is read as it was written, and refused where it is another."""

from __future__ import annotations

from dataclasses import asdict, replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.dataset.dataset import Dataset
from pipeline.dataset.paintings import PAINTINGS_FILE, PaintingRow, paintings_table, read_paintings
from pipeline.errors import DatasetError
from pipeline.verify import verify
from tests.datasets import change_paintings, make_dataset

ROW = PaintingRow("ab", "/g/é.jpg", "Ada", 0, "train", 1, 16, "cd" * 32, "ab", ("/g/copy.jpg",), 40, 30, 1 << 40)


def test_rows_are_read_back_by_name_whole_or_in_part():
    table = b"".join(paintings_table([ROW, replace(ROW, painting_id="x", copies=())]))
    first, second = read_paintings(table, "t")
    assert (PaintingRow(**{**first, "copies": tuple(first["copies"])}), second["painting_id"]) == (ROW, "x")
    assert list(read_paintings(table, "t", "width", "label")) == [{"width": 40, "label": 0}] * 2


def parquet(**changes: object) -> bytes:
    columns = {name: [list(value) if isinstance(value, tuple) else value] for name, value in asdict(ROW).items()}
    schema = pq.read_schema(pa.BufferReader(b"".join(paintings_table([ROW]))))
    table = pa.table({**columns}, schema=schema)
    for name, column in changes.items():
        table = table.set_column(table.schema.get_field_index(name), name, column)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (b"", "cannot be read"),
        (b"PAR1 and no more", "cannot be read"),
        (b"".join(paintings_table([ROW]))[:-9], "cannot be read"),
        (parquet(label=pa.array(["0"])), "no column label"),
        (parquet(label=pa.array([None], pa.int32())), "an empty cell in its column label"),
        (parquet(path=pa.array([None], pa.string())), "an empty cell in its column path"),
    ],
)
def test_another_table_is_refused_with_its_place(table: bytes, message: str):
    with pytest.raises(DatasetError, match=f"^t .*{message}"):
        list(read_paintings(table, "t"))


@pytest.mark.parametrize("fault", [{"split": "dev"}, {"label": 4}, {"label": -1}, {"records": -2}])
def test_a_painting_that_the_dataset_cannot_have_is_refused(tmp_path, fault):
    folder = make_dataset(tmp_path, paintings=12, scheme="crop32x2")
    change_paintings(folder, lambda row: replace(row, **fault))
    opened = Dataset.open(folder)
    for read in (lambda: list(opened.planned()), lambda: list(verify(opened))):
        with pytest.raises(DatasetError, match=PAINTINGS_FILE):
            read()
