"""Jobs through Beam: by whose workers, with how much of Beam, and what is left to whoever waits."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.workers import jobs

# --- Whose workers do the jobs is told from the flags alone, as Beam would read them ----------------------------------


@pytest.mark.parametrize(
    ("flags", "ours"),
    [
        ([], True),
        (["--runner=DirectRunner", "--project=some"], True),
        (["--runner", "FnApiRunner"], True),
        (["--direct_running_mode=in_memory"], True),
        (["--direct_running_mode=multi_processing"], False),
        (["--runner=DataflowRunner", "--region=some"], False),
        (["--runner", "PortableRunner", "--job_endpoint=localhost:1"], False),
    ],
)
def test_only_the_local_runner_in_its_default_mode_is_given_our_workers(flags: list[str], ours: bool) -> None:
    assert jobs._is_local(flags) is ours


# --- What the local runner imports -----------------------------------------------------------------------------------

WITHOUT = """
import sys
from pipeline.workers import jobs
jobs.import_runner()
assert not {"pandas", "pyarrow", "pymongo", "boto3", "google.cloud.storage", "azure.core"} & set(sys.modules)
import pandas, pyarrow
assert jobs.import_beam().__name__ == "apache_beam"
"""


def test_the_local_runner_does_without_clients_and_data_frames_and_leaves_them_to_others():
    subprocess.run([sys.executable, "-c", WITHOUT], check=True)


# --- Work is a worker's, finishing is not ----------------------------------------------------------------------------


def work(job: str) -> dict[str, Any]:
    Path(job).with_suffix(".worked").touch()
    return {"job": job}


def finish(result: dict[str, Any]) -> None:
    assert Path(result["job"]).with_suffix(".worked").exists()
    Path(result["job"]).with_suffix(".finished").touch()


def fail(result: dict[str, Any]) -> None:
    raise OSError("the disk is gone")


@pytest.mark.parametrize("flags", [[], ["--direct_running_mode=multi_threading"]], ids=["our workers", "Beam's"])
def test_every_job_is_worked_at_and_then_finished(flags: list[str], tmp_path: Path) -> None:
    names = [str(tmp_path / f"{number}.json") for number in range(50)]  # more than workers are given beforehand
    jobs.run(jobs.Step(work, finish), names, 1, flags)
    assert len(list(tmp_path.glob("*.finished"))) == 50


def test_a_fault_while_finishing_is_the_runs_fault(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="the disk is gone"):
        jobs.run(jobs.Step(work, fail), [str(tmp_path / "1.json"), str(tmp_path / "2.json")], 1)


def test_what_is_worked_is_finished_before_beam_asks_for_it(tmp_path: Path) -> None:
    names = [str(tmp_path / f"{number}.json") for number in range(3)]
    done: list[dict[str, Any]] = []
    bench = jobs._Bench(1, jobs.Step(work, finish), names, done.append)
    for finished in bench._begun.values():
        finished.result(timeout=60)
    bench.close()
    assert len(list(tmp_path.glob("*.finished"))) == len(done) == 3
