"""One small evaluated run, shared by the tests of everything that reads runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import runs


@pytest.fixture(scope="session")
def judged_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return runs.make_dataset(tmp_path_factory.mktemp("judged"))


@pytest.fixture(scope="session")
def judged_run(judged_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with everything the trainer leaves in it. Tests read it; those that write make a copy."""

    run_dir = runs.make_run(tmp_path_factory.mktemp("runs") / "small", judged_dataset)
    runs.judge(run_dir, judged_dataset, {"examples_per_second": 1003.0, "data_wait_fraction": 0.05})
    return run_dir
