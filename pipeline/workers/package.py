"""A wheel of this project, for workers that have none of it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from pipeline.errors import EngineError

ROOT = Path(__file__).parents[2]
_SOURCES = ("setup.py", "pyproject.toml", "README.md", "LICENSE", "pipeline", "trainer")
_PATIENCE = 300.0  # seconds, for pip to fetch what builds wheels, and to build one


def can_be_built() -> bool:
    """Whether this is a checkout of the project, and no installed copy of it."""
    return all((ROOT / name).exists() for name in _SOURCES)


def add_to(options: Any) -> None:
    """Adds a wheel to what Beam hands its workers, if the user has named nothing. Raises EngineError."""
    from apache_beam.options.pipeline_options import SetupOptions, WorkerOptions

    setup = options.view_as(SetupOptions)
    if not (setup.setup_file or setup.extra_packages or options.view_as(WorkerOptions).sdk_container_image):
        setup.extra_packages = [str(build_wheel(Path(tempfile.mkdtemp(prefix="wheel-"))))]


def build_wheel(folder: Path) -> Path:
    """Builds a wheel below a folder, of a copy of the sources: a build leaves its own files beside them.

    Raises:
      EngineError: pip cannot build it.
    """
    sources = folder / "sources"
    sources.mkdir(parents=True)
    for name in _SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, sources / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, sources)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", f"--wheel-dir={folder}", str(sources)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=False)
        fault = done.stderr.strip().rpartition("\n")[2] if done.returncode else ""
    except subprocess.TimeoutExpired:
        fault = f"pip wheel took more than {_PATIENCE:.0f} s"
    if fault:
        raise EngineError(
            f"No wheel of this project could be built for the workers ({fault}). Build one yourself (pip wheel "
            "--no-deps .) and pass --extra_package=FILE. Nothing was started."
        )
    return next(folder.glob("*.whl"))
