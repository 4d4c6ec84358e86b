"""How are the scores of every crop kept, and read again, without holding them all?

`predictions.parquet` has one row per record of the dataset: split, painting_id, work (the id of the first of its near
copies), crop_index, label, crop_box float32[4], source_size int64[2], scores float32[artists]. Row groups never mix
splits, so that reading one split skips the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.storage import files
from trainer.errors import RunError
from trainer.judging.voting import Paintings, gather
from trainer.run.folder import RunFolder

_ROWS = 8192  # of a row group: about 2 MB with 50 artists
_ID, _WORK = "painting_id", "work"  # runs of earlier versions have no works: there each painting is its own


def _schema(artists: int) -> pa.Schema:
    return pa.schema(
        [
            ("split", pa.string()),
            ("painting_id", pa.string()),
            ("work", pa.string()),
            ("crop_index", pa.int64()),
            ("label", pa.int64()),
            ("crop_box", pa.list_(pa.float32(), 4)),
            ("source_size", pa.list_(pa.int64(), 2)),
            ("scores", pa.list_(pa.float32(), artists)),
        ]
    )


@contextmanager
def whole_parquet(path: Path, schema: pa.Schema) -> Iterator[pq.ParquetWriter]:
    """A ParquetWriter of a file that is there whole at the end, or not at all."""
    with files.replacing(path) as temporary, pq.ParquetWriter(temporary, schema) as writer:
        yield writer


class Predictions:
    """Writes `predictions.parquet`, row group by row group. A context manager."""

    def __init__(self, run: RunFolder, artists: int) -> None:
        self._schema = _schema(artists)
        self._file = whole_parquet(run.predictions, self._schema)

    def __enter__(self) -> Predictions:
        self._writer = self._file.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._file.__exit__(*error)

    def keep(self, split: str, works: Mapping[str, str], batches: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Passes a split's batches on, as `evaluate.predicted` gives them, and writes what passes."""
        waiting: list[pa.RecordBatch] = []
        for batch in batches:
            waiting.append(self._rows(split, {**batch, "work": [works.get(name) for name in batch["painting_id"]]}))
            if sum(map(len, waiting)) >= _ROWS:
                self._writer.write_table(pa.Table.from_batches(waiting))
                waiting = []
            yield batch
        if waiting:
            self._writer.write_table(pa.Table.from_batches(waiting))

    def _rows(self, split: str, batch: dict[str, Any]) -> pa.RecordBatch:
        columns = [pa.array([split] * len(batch["label"]))]
        for field in list(self._schema)[1:]:
            values = batch[field.name]
            if pa.types.is_fixed_size_list(field.type):
                flat = pa.array(np.asarray(values).reshape(-1), field.type.value_type)
                columns.append(pa.FixedSizeListArray.from_arrays(flat, field.type.list_size))
            else:
                columns.append(pa.array(values, field.type))
        return pa.record_batch(columns, schema=self._schema)


def read(run: RunFolder, split: str) -> Iterator[dict[str, Any]]:
    """The batches that were kept of a split, one row group at a time, as `Predictions.keep` was given them.

    Raises:
      RunError: the run has no predictions.
    """
    for group in _groups(run, split):
        yield {field.name: _values(column) for field, column in _columns(group)}


def read_paintings(run: RunFolder, split: str) -> Paintings:
    """The paintings of a split, as they were judged. Raises RunError as `read`."""
    counts: Counter[str] = Counter()
    works: dict[str, str] = {}
    for group in _groups(run, split, [_ID, _WORK]):
        names = group[_ID].to_pylist()
        counts.update(names)
        works.update(zip(names, group[_WORK].to_pylist() if _WORK in group.column_names else names, strict=True))
    return gather(read(run, split), counts, works=works)


def _groups(run: RunFolder, split: str, columns: list[str] | None = None) -> Iterator[pa.Table]:
    path = run.require(run.predictions)
    try:
        with pq.ParquetFile(path) as file:
            _check(file.schema_arrow)
            for group in range(file.num_row_groups):
                if file.metadata.row_group(group).column(0).statistics.min == split:
                    yield file.read_row_group(group, columns)
    except (OSError, pa.ArrowException, ValueError, AttributeError) as error:
        raise RunError(f"{path} is damaged, or is not what a run writes ({error}). {run.remake}") from error


def _check(found: pa.Schema) -> None:
    """Raises ValueError for other columns than a run writes; only older runs lack works."""
    scores: Any = found.field("scores").type if "scores" in found.names else pa.null()
    if not pa.types.is_fixed_size_list(scores):
        raise ValueError("it has no column of scores")
    for field in _schema(scores.list_size):
        if field.name == _WORK and _WORK not in found.names:
            continue
        if field.name not in found.names or found.field(field.name).type != field.type:
            raise ValueError(f"its column {field.name} is missing, or of another type")


def _columns(table: pa.Table) -> Iterator[tuple[pa.Field, pa.Array]]:
    return ((field, table[field.name].combine_chunks()) for field in table.schema)


def _values(column: pa.Array) -> Any:
    if pa.types.is_fixed_size_list(column.type):
        return column.flatten().to_numpy().reshape(-1, column.type.list_size)
    return column.to_pylist() if pa.types.is_string(column.type) else column.to_numpy()
