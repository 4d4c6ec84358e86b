"""What a build decides, without the processes that a command puts around it."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline import flags, phases, survey
from pipeline.workers.jobs import read_job


@pytest.fixture(scope="module")
def art(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("art")
    rng = np.random.default_rng(0)
    for number in range(24):
        (folder / f"Artist {number % 3}").mkdir(exist_ok=True)
        pixels = rng.integers(0, 256, (40, 50, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"Artist {number % 3}" / f"{number}.png")
    return folder


def jobs_of(art: Path, output: str, scratch: Path, *more: str) -> list[bytes]:
    """What the writing phase of a build is to do."""
    scratch.mkdir()
    asked = flags.parse([f"--data_dir={art}", f"--output_dir={output}", "--crop=16", "--samples=1", *more], 2, 10**6)
    found = phases.lay_out_survey(asked, str(art), scratch)
    for job in found.jobs:
        survey.survey_batch(job)
    planned = phases.make_plan(asked, scratch, found.files)
    assert planned.paintings == 24
    return [read_job(job).replace(output.encode(), b"") for job in planned.jobs]


def test_a_runner_plans_very_many_files_and_this_machine_fewer(art, tmp_path, monkeypatch):
    here = jobs_of(art, str(tmp_path / "here"), tmp_path / "1")
    runner = "--runner=FnApiRunner", "--direct_running_mode=multi_threading"
    monkeypatch.setattr(phases, "PLANNED_ON_RUNNER", 24)
    there = jobs_of(art, str(tmp_path / "there"), tmp_path / "2", *runner)
    assert there == here
    planned = [list((tmp_path / where / ".jobs" / "plan").rglob("*-rows.jsonl")) for where in ("here", "there")]
    assert list(map(bool, planned)) == [False, True]
