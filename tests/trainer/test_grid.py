"""A grid: paintings have as many crops as they are large, and are learned from, voted on and mapped so."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pipeline.dataset.dataset import Dataset
from tests import runs
from trainer import predict
from trainer.run.folder import RunFolder


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, RunFolder]:
    folder = tmp_path_factory.mktemp("grid")
    dataset = Dataset.open(runs.make_dataset(folder, "grid32"))
    run = RunFolder(runs.make_run(folder / "run", Path(dataset.folder), steps=30))
    runs.judge(run.path, dataset.folder)
    return dataset, run


def test_each_painting_is_judged_by_all_crops_that_it_holds(judged: tuple[Dataset, RunFolder]) -> None:
    dataset, run = judged
    paintings = pd.read_parquet(Path(dataset.folder) / "paintings.parquet").set_index("painting_id")
    expected = (paintings["width"] // 32) * (paintings["height"] // 32)
    assert expected.nunique() > 3
    predictions = pd.read_parquet(run.path / "predictions.parquet")
    seen = predictions.groupby("painting_id").size()
    assert seen.to_dict() == expected[seen.index].to_dict()

    results = json.loads((run.path / "results.json").read_text())
    test = paintings[paintings["split"] == "test"]
    assert results["test"]["crop"]["count"] == expected[test.index].sum()
    assert results["test"]["painting"]["count"] == len(test)


def test_a_vote_is_the_mean_over_a_paintings_own_crops(judged: tuple[Dataset, RunFolder]) -> None:
    dataset, run = judged
    predictions = pd.read_parquet(run.path / "predictions.parquet")
    predictions = predictions[predictions["split"] == "test"]
    paintings = pd.read_parquet(Path(dataset.folder) / "paintings.parquet").set_index("painting_id")
    right = [
        np.stack(group["scores"]).mean(axis=0).argmax() == paintings["label"][name]
        for name, group in predictions.groupby("painting_id")
    ]
    results = json.loads((run.path / "results.json").read_text())
    assert results["test"]["painting"]["top1"] == pytest.approx(np.mean(right))


def test_a_map_is_drawn_of_a_picture(judged: tuple[Dataset, RunFolder], tmp_path: Path) -> None:
    dataset, run = judged
    row = pd.read_parquet(Path(dataset.folder) / "paintings.parquet").iloc[0]
    assert predict.predict(run, [row["path"]], tmp_path / "maps") == 0
    (drawn,) = (tmp_path / "maps").iterdir()
    with Image.open(drawn) as image:
        assert image.width >= row["width"]
