"""What a newcomer meets first: the commands, and checks that see the project and nothing beside it."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

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
