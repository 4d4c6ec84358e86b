"""How much can be told without looking?"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.dataset.dataset import Dataset
from pipeline.dataset.paintings import PAINTINGS_FILE, PHOTOGRAPH
from trainer.judging import photograph


def with_facts(dataset: Path, copy: Path, change) -> Dataset:
    """The dataset with another table of paintings."""
    shutil.copytree(dataset, copy)
    table = pq.read_table(copy / PAINTINGS_FILE)
    pq.write_table(change(table), copy / PAINTINGS_FILE)
    return Dataset.open(copy)


def test_artists_whose_files_differ_are_told_apart_without_a_look(judged_dataset: Path, tmp_path: Path) -> None:
    def collections(table: pa.Table) -> pa.Table:
        place = table.schema.names.index("compression")
        values = pa.array(100 * table["label"].to_numpy() + 7, pa.int32())
        return table.set_column(place, table.schema.field(place), values)

    dataset = with_facts(judged_dataset, tmp_path / "copy", collections)
    found = photograph.judge(dataset)
    assert found["painting"]["top1"] > 0.75
    assert "compression" in found["facts"]


def test_files_that_tell_nothing_are_no_better_than_chance(judged_dataset: Path, tmp_path: Path) -> None:
    def shuffled(table: pa.Table) -> pa.Table:
        order = np.random.default_rng(0).permutation(len(table))
        for name in ("width", "height", "bytes"):
            place = table.schema.names.index(name)
            table = table.set_column(place, table.schema.field(place), table[name].take(order))
        return table

    dataset = with_facts(judged_dataset, tmp_path / "copy", shuffled)
    assert photograph.judge(dataset)["painting"]["top1"] < 0.6


def test_a_dataset_of_an_earlier_version_tells_what_it_knows(judged_dataset: Path, tmp_path: Path) -> None:
    dataset = with_facts(judged_dataset, tmp_path / "copy", lambda table: table.drop_columns(list(PHOTOGRAPH)))
    assert photograph.judge(dataset)["facts"] == ["size", "shape", "bytes per pixel"]
    assert len(list(dataset.planned())) == len(list(Dataset.open(judged_dataset).planned()))
