"""The notebooks of docs/, on the embedded gallery and a CPU: all that does not belong to their platform."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests import galleries

ROOT = Path(__file__).parents[1]
SMALL = "--backbone=ResNet8 --epochs=1 --batch_size=8 --warmup=0 --augment=none"
ELSEWHERE = {"parameters", "install", "gpu"}  # tags of cells that a platform has of its own


def cells(name: str) -> list[nbformat.NotebookNode]:
    """The cells of code of a notebook."""
    book = nbformat.read(ROOT / "docs" / f"{name}.ipynb", as_version=4)
    nbformat.validate(book)
    return [cell for cell in book.cells if cell.cell_type == "code"]


def common(name: str) -> list[str]:
    """What a notebook does on any platform."""
    return [cell.source for cell in cells(name) if not ELSEWHERE & set(cell.metadata.get("tags", []))]


def test_both_do_the_same_with_parameters_of_their_own() -> None:
    assert common("kaggle") == common("colab")
    for name in ("kaggle", "colab"):
        first = cells(name)[0]
        assert "parameters" in first.metadata["tags"]
        given: dict[str, str] = {}
        exec(first.source, given)
        assert {"CODE", "DATA", "WORK", "SCHEME", "TRAIN"} <= given.keys()
        recipe = given["TRAIN"].removeprefix(f"--flagfile={given['CODE']}/")
        assert (ROOT / recipe).is_file()


def test_they_build_train_and_show_a_report(painted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    galleries.write(tmp_path / "art", painted)
    parameters = (
        f"DATA, WORK = {str(tmp_path / 'art')!r}, {str(tmp_path)!r}\nSCHEME, TRAIN = '--crop=32 --samples=2', {SMALL!r}"
    )
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in (parameters, *common("kaggle"))])
    NotebookClient(book, timeout=240, resources={"metadata": {"path": str(ROOT)}}).execute()
    assert "The most confident mistakes" in book.cells[-1].outputs[0]["data"]["text/html"]
    assert (tmp_path / "runs" / "first" / "results.json").stat().st_size
