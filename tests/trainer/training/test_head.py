"""--train=head: a run like any other."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from pipeline.dataset.dataset import Dataset
from pipeline.errors import InputError
from tests import runs
from trainer import main, predict
from trainer.config import Config
from trainer.errors import RunError
from trainer.judging.predictions import read
from trainer.run.folder import RunFolder
from trainer.training.head import cross_validate


def config(dataset: Path, run_dir: Path, weights: Path | str, **changes: object) -> Config:
    values = {
        name: field.metadata["flag"].default
        for name, field in Config.__dataclass_fields__.items()  # type: ignore[attr-defined]
    }
    values |= {"dataset_dir": str(dataset), "run_dir": str(run_dir), "weight_decay": 0.05, "class_balance": "weights"}
    values |= {"backbone": "ResNet8", "weights": str(weights), "train": "head", "features": "stages"}
    return Config(**{**values, **changes})


@pytest.fixture(scope="module")
def run(judged_dataset: Path, weights: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("head")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        main.run(config(judged_dataset, folder / "run", weights))
    return RunFolder(folder / "run")


def test_it_leaves_what_every_run_leaves(run: RunFolder) -> None:
    for path in (run.best, run.last, run.labels, run.results, run.predictions, run.references, run.report, run.curves):
        assert path.is_file(), path
    results = run.read_results()
    assert results["test"]["painting"]["top1"] > 0.6  # of five artists
    assert len(run.read_history()) == 1
    head = run.read_head()
    assert head["strength"] in [line["strength"] for line in head["tried"]]
    assert [point["share"] for point in head["growth"]] == [0.25, 0.5, 1.0]
    assert 0 < head["strangers"]["mean"] <= 1
    assert 0 <= results["strangers"]["turned_away"] <= 1


def test_the_saved_network_says_what_was_written_down(run: RunFolder, judged_dataset: Path, tmp_path: Path) -> None:
    written = {split: list(read(run, split)) for split in ("validation", "test")}
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in (run.best, run.labels, run.flags, run.path / "run.json", run.path / "metrics.jsonl"):
        (copy / path.name).write_bytes(path.read_bytes())
    runs.judge(copy, judged_dataset)
    for split, batches in written.items():
        again = list(read(RunFolder(copy), split))
        assert [name for batch in again for name in batch["painting_id"]] == [
            name for batch in batches for name in batch["painting_id"]
        ]
        np.testing.assert_allclose(
            np.concatenate([batch["scores"] for batch in again]),
            np.concatenate([batch["scores"] for batch in batches]),
            atol=1e-4,
        )


def test_it_is_asked_about_pictures_as_any_run_is(
    run: RunFolder, judged_dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = next(iter(Dataset.open(judged_dataset).paintings("path", "artist", split="train")))
    picture = Path(row["path"])
    if not picture.is_absolute():
        picture = Path(Dataset.open(judged_dataset).contract.data_dir, picture)
    assert predict.predict(run, [str(picture)], None) == 0
    assert row["artist"] in capsys.readouterr().out


def test_the_same_command_again_changes_nothing_and_another_is_refused(
    run: RunFolder, judged_dataset: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(run.path.parent / "cache"))
    before = json.dumps(run.read_results()["test"])
    main.run(config(judged_dataset, run.path, weights))
    assert json.dumps(run.read_results()["test"]) == before
    with pytest.raises(RunError, match="class_balance was weights, now none"):
        main.run(config(judged_dataset, run.path, weights, class_balance="none"))


def test_folds_are_added_to_its_report_and_no_other_finding_is_lost(
    run: RunFolder, judged_run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(run.path.parent / "cache"))
    dataset = Dataset.open(run.dataset_dir)
    found = cross_validate(run, dataset, 3)
    assert found["painting"]["count"] == sum(len(dataset.works(split)) for split in ("train", "validation", "test"))
    assert run.read_head()["folds"] == json.loads(json.dumps(found))
    assert "growth" in run.read_head()
    with pytest.raises(RunError, match="--train=head"):
        cross_validate(RunFolder(copy_with_flags(judged_run, run.path.parent / "whole")), dataset, 3)


def copy_with_flags(run_dir: Path, copy: Path) -> Path:
    """A run that was trained whole, with all flags."""
    shutil.copytree(run_dir, copy)
    values = {name: each.metadata["flag"].default for name, each in Config.__dataclass_fields__.items()}  # type: ignore[attr-defined]
    (copy / "flags.json").write_text(json.dumps({**values, "run_dir": str(copy), "weight_decay": 0.0}))
    return copy


def test_a_head_on_a_backbone_that_has_learned_nothing_is_refused(judged_dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="learn from noise"):
        config(judged_dataset, tmp_path, "none")
