"""A table of references that somebody else may have written is checked before it is believed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trainer.errors import RunError
from trainer.judging.references import References
from trainer.run.folder import RunFolder


def replaced(name: str, change: Callable[[list], list]) -> Callable[[pa.Table], pa.Table]:
    """What changes the values of one column."""

    def change_table(table: pa.Table) -> pa.Table:
        field = table.schema.field(name)
        column = pa.array(change(table[name].to_pylist()), field.type)
        return table.set_column(table.schema.get_field_index(name), field, column)

    return change_table


FAULTS: dict[str, tuple[Callable[[pa.Table], pa.Table], str]] = {
    "no column": (lambda table: table.drop(["path"]), "other columns"),
    "no embedding": (lambda table: table.drop(["embedding"]), "other columns"),
    "another type": (lambda table: table.set_column(1, "label", table["label"].cast(pa.string())), "other columns"),
    "an empty cell": (replaced("path", lambda paths: [None, *paths[1:]]), "a cell is empty"),
    "no rows": (lambda table: table.slice(0, 0), "no rows"),
    "no such artist": (replaced("label", lambda labels: [6, *labels[1:]]), "does not know"),
    "a negative artist": (replaced("label", lambda labels: [-1, *labels[1:]]), "does not know"),
    "NaN": (
        replaced("embedding", lambda rows: [np.full(len(rows[0]), np.nan, np.float16), *rows[1:]]),
        "not finite",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_table_that_no_run_writes_is_refused_with_what_is_wrong(judged_run: Path, tmp_path: Path, fault: str):
    run = RunFolder(shutil.copytree(judged_run, tmp_path / "run"))
    change, message = FAULTS[fault]
    pq.write_table(change(pq.read_table(run.references)), run.references)
    with pytest.raises(RunError, match=rf"references\.parquet is damaged.*{message}.*trainer\.evaluate"):
        References(run)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no table"])
def test_what_is_no_table_is_named(judged_run: Path, tmp_path: Path, content: bytes):
    run = RunFolder(shutil.copytree(judged_run, tmp_path / "run"))
    run.references.write_bytes(content)
    with pytest.raises(RunError, match=r"references\.parquet is damaged"):
        References(run)
