"""A model that somebody else has written runs nothing when it is loaded."""

from __future__ import annotations

import contextlib
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import keras
import pytest

from trainer.errors import RunError
from trainer.judging.evaluation import load_model
from trainer.run.folder import RunFolder


def rewrite(source: Path, target: Path, layer: dict[str, Any]) -> None:
    """A copy of a saved model with another layer in the place of its second."""
    with zipfile.ZipFile(source) as before, zipfile.ZipFile(target, "w") as after:
        for name in before.namelist():
            content = before.read(name)
            if name == "config.json":
                config = json.loads(content)
                config["config"]["layers"][1].update(layer)
                content = json.dumps(config).encode()
            after.writestr(name, content)


def python_lambda(marker: Path, folder: Path) -> dict[str, Any]:
    """The configuration of a Lambda layer whose function writes a file."""
    command = f"__import__('pathlib').Path({str(marker)!r}).touch() or x"
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Lambda(eval(f"lambda x: {command}"))(inputs))
    marker.unlink(missing_ok=True)
    model.save(folder / "lambda.keras")
    with zipfile.ZipFile(folder / "lambda.keras") as archive:
        layer = json.loads(archive.read("config.json"))["config"]["layers"][1]
    return {key: layer[key] for key in ("module", "class_name", "config", "registered_name")}


def layer_of(module: str, name: str, **config: Any) -> dict[str, Any]:
    return {"module": module, "class_name": name, "config": config, "registered_name": None}


@pytest.mark.parametrize("kind", ["lambda", "os.system", "subprocess", "a function of a module"])
def test_a_saved_model_runs_no_code_when_it_is_loaded(judged_run: Path, tmp_path: Path, kind: str):
    marker = tmp_path / "ran"
    layers = {
        "lambda": lambda: python_lambda(marker, tmp_path),
        "os.system": lambda: layer_of("os", "system", command=f"touch {marker}"),
        "subprocess": lambda: layer_of("subprocess", "Popen", args=["touch", str(marker)]),
        "a function of a module": lambda: layer_of("keras.src.utils", "get_file", fname=str(marker), origin="file:///"),
    }
    shutil.copytree(judged_run, tmp_path / "run")
    run = RunFolder(tmp_path / "run")
    rewrite(judged_run / "best.keras", run.best, layers[kind]())
    with pytest.raises(RunError, match=r"best\.keras"):
        load_model(run)
    assert not marker.exists()
    if kind == "lambda":  # it would have run
        with contextlib.suppress(ValueError):
            keras.models.load_model(run.best, compile=False, safe_mode=False)
        assert marker.exists()


def test_a_model_without_an_embedding_is_named(judged_run: Path, tmp_path: Path):
    shutil.copytree(judged_run, tmp_path / "run")
    run = RunFolder(tmp_path / "run")
    inputs = keras.Input((4,))
    keras.Model(inputs, keras.layers.Dense(2)(inputs)).save(run.best)
    with pytest.raises(RunError, match=r"best\.keras has no layer named embedding"):
        load_model(run)
