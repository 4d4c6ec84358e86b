from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests import forked
from trainer import export
from trainer.export import ExportError
from trainer.run.folder import RunError, RunFolder


@pytest.mark.parametrize("kind", ["savedmodel", "tflite", "keras", "onnx"])
def test_an_export_gives_the_scores_of_the_original(
    kind: str, judged_run: Path, judged_dataset: Path, tmp_path: Path
) -> None:
    if kind == "onnx":
        pytest.importorskip("tf2onnx", reason="the extra [export] is not installed")
        pytest.importorskip("onnxruntime", reason="the extra [export] is not installed")
    path, difference = export.export(RunFolder(judged_run), kind, tmp_path, judged_dataset)
    assert path == tmp_path / export.FILES[kind]
    assert path.exists()
    assert difference <= 1e-4
    assert json.loads((tmp_path / "labels.json").read_text()) == json.loads((judged_run / "labels.json").read_text())
    assert sorted(item.name for item in tmp_path.iterdir()) == sorted(["labels.json", path.name])


def test_an_export_that_disagrees_is_refused_and_leaves_nothing(
    judged_run: Path, judged_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, load = export._FORMATS["keras"]

    def wrong(path: Path) -> export.Scores:
        scores = load(path)
        return lambda crops: np.roll(scores(crops), 1, axis=1)

    monkeypatch.setitem(export._FORMATS, "keras", (write, wrong))
    with pytest.raises(ExportError, match=r"differs from best\.keras by up to"):
        export.export(RunFolder(judged_run), "keras", tmp_path, judged_dataset)
    assert not list(tmp_path.iterdir())


def test_a_missing_package_is_named_with_the_extra(
    judged_run: Path, judged_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: object) -> None:
        raise ImportError("No module named 'tf2onnx'")

    monkeypatch.setitem(export._FORMATS, "onnx", (missing, missing))  # type: ignore[arg-type]
    with pytest.raises(ExportError, match=r'pip install "morelli\[export\]"'):
        export.export(RunFolder(judged_run), "onnx", tmp_path, judged_dataset)


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"Expected best\.keras in"):
        export.export(RunFolder(tmp_path), "keras", tmp_path / "out")


def test_the_command_names_what_it_wrote(judged_run: Path, judged_dataset: Path, tmp_path: Path) -> None:
    flags = ["--format=keras", f"--output={tmp_path}", f"--dataset_dir={judged_dataset}"]
    done = forked.run("trainer.export", f"--run_dir={judged_run}", *flags)
    assert done.returncode == 0, done.stderr
    assert "model.keras: scores differ from the original's by at most 0 " in done.stdout
