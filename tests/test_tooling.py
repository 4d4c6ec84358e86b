"""What a newcomer meets first: the commands, and checks that see the project and nothing beside it."""

from __future__ import annotations

import importlib
import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = {
    **{name: f"pipeline.{name}" for name in ("build", "verify", "sample", "download", "atelier")},
    **{
        name: f"trainer.{name}"
        for name in ("evaluate", "report", "predict", "serve", "export", "compare", "table", "experiments")
    },
    "train": "trainer.main",
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_command_has_a_console_script_that_runs_it(name: str) -> None:
    package = SCRIPTS[name].partition(".")[0]
    assert f'"{name}"' in (ROOT / "setup.py").read_text(encoding="utf-8")
    script = getattr(importlib.import_module(f"{package}.console"), name)
    assert script.args == (SCRIPTS[name],)
    assert script.keywords == {"run_name": "__main__", "alter_sys": True}
    assert importlib.util.find_spec(SCRIPTS[name]) is not None


@pytest.mark.parametrize("name", ["train", "verify"])
def test_a_console_script_teaches_its_flags(name: str) -> None:
    package = SCRIPTS[name].partition(".")[0]
    script = f"import sys; from {package}.console import {name}; sys.argv[1:] = ['--help']; {name}()"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=ROOT)
    assert {"train": "--backbone", "verify": "dataset"}[name] in done.stdout


def test_types_are_checked_beside_what_demo_leaves(tmp_path: Path) -> None:
    """A folder datasets/ in the working folder must not pass for the package of that name."""
    for folder in ("pipeline", "trainer", "benchmarks"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "__init__.py").touch()
    (tmp_path / "benchmarks" / "peer.py").write_text(
        "def read() -> None:\n    import datasets\n\n    datasets.load()\n"
    )
    (tmp_path / "datasets" / "crop64x16").mkdir(parents=True)
    (tmp_path / "datasets" / "crop64x16" / "strange.py").write_text("def ( \n")
    (tmp_path / "runs").mkdir()
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    mypy = [sys.executable, "-m", "mypy", "--no-incremental"]
    done = subprocess.run(mypy, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_lint_names_what_it_looks_at() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "ruff check $(CODE)" in makefile
    assert "ruff format --check $(CODE)" in makefile


WORKER = """
import ast, json, sys
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pipeline.shards, pipeline.survey, pipeline.workers.beam

names = set()
loaded = [name for name in sys.modules if name.partition(".")[0] == "pipeline"]
for module in [sys.modules[name] for name in loaded if not name.startswith("pipeline.gallery.")]:  # they find nothing
    for node in ast.walk(ast.parse(Path(module.__file__).read_text(encoding="utf-8"))):  # imports within functions, too
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(node.module.partition(".")[0])
owners = packages_distributions()
print(json.dumps(sorted({owners[name][0].lower() for name in names - set(sys.stdlib_module_names) - {"pipeline"}})))
"""


def test_what_workers_import_is_what_the_package_requires(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}
    monkeypatch.setattr("setuptools.setup", given.update)
    monkeypatch.setattr("sys.argv", ["setup.py"])
    runpy.run_path(str(ROOT / "setup.py"))
    required, dask = (
        {re.match(r"[\w.-]+", requirement)[0] for requirement in wanted}  # type: ignore[index]
        for wanted in (given["install_requires"], given["extras_require"]["dask"])
    )
    done = subprocess.run([sys.executable, "-c", WORKER], capture_output=True, text=True, check=True, cwd=ROOT)
    assert set(json.loads(done.stdout)) - dask == required


@pytest.mark.parametrize(
    ("command", "package", "extra"),
    [
        (["-c", "import sys; from pipeline.console import build; build()"], "tqdm", "build"),
        (["-m", "pipeline.build"], "tqdm", "build"),
        (["-m", "trainer.main"], "absl", "train"),
    ],
)
def test_a_command_whose_extra_is_not_installed_says_which(
    command: list[str], package: str, extra: str, tmp_path: Path
) -> None:
    (tmp_path / f"{package}.py").write_text(f"raise ModuleNotFoundError(name='{package}')")
    path = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False, cwd=ROOT, env=path)
    assert done.returncode == 1
    assert done.stderr == f"error: this needs {package}, which is not installed. Run: pip install 'morelli[{extra}]'\n"


def test_another_fault_of_an_import_is_not_hidden(tmp_path: Path) -> None:
    (tmp_path / "tqdm.py").write_text("import pipeline.no_such_module")
    path = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    command = [sys.executable, "-m", "pipeline.build"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=path)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "no_such_module" in done.stderr
