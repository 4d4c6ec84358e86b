"""Jobs through Beam: by whose workers, with how much of Beam, and what is left to whoever waits."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import AuthenticationError, connection
from pathlib import Path
from typing import Any

import pytest

from pipeline.pictures.guard import Limits
from pipeline.workers.local import Desk, LocalWorkers, hand_in
from pipeline.workers.runner import Runner
from pipeline.workers.step import Step

# --- What the local runner imports -----------------------------------------------------------------------------------

WITHOUT = """
import sys
from pipeline.workers import beam
beam.prepare(sys.argv[1:])
found = {"pandas", "pyarrow", "pymongo", "boto3", "google.cloud.storage", "azure.core"} & set(sys.modules)
assert beam.import_beam().__name__ == "apache_beam"
print(*sorted(found))
"""


def imported(*flags: str) -> set[str]:
    """Which clients and data frames a process that holds Beam has imported."""
    return set(
        subprocess.run(
            [sys.executable, "-c", WITHOUT, *flags], check=True, capture_output=True, text=True
        ).stdout.split()
    )


def test_the_local_runner_does_without_clients_and_data_frames() -> None:
    assert imported() == set()


def test_other_runners_import_what_they_find() -> None:
    assert {"pandas", "pyarrow"} <= imported("--runner=DataflowRunner")


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
    with Runner(1, flags) as runner:
        runner.run(Step(work, finish), names)
        assert len(list(tmp_path.glob("*.finished"))) == 50
        runner.run(Step(work, finish), [str(tmp_path / "again.json")])
    assert (tmp_path / "again.finished").exists()


def test_a_fault_while_finishing_is_the_runs_fault(tmp_path: Path) -> None:
    with Runner(1) as runner, pytest.raises(OSError, match="the disk is gone"):
        runner.run(Step(work, fail), [str(tmp_path / "1.json"), str(tmp_path / "2.json")])


def test_what_is_worked_is_finished_before_beam_asks_for_it(tmp_path: Path) -> None:
    names = [str(tmp_path / f"{number}.json") for number in range(3)]
    done: list[dict[str, Any]] = []
    with LocalWorkers(1, Limits(), Step(work, finish), names, done.append) as workers:
        for finished in workers._started.values():
            finished.result(timeout=60)
    assert len(list(tmp_path.glob("*.finished"))) == len(done) == 3


# --- The desk --------------------------------------------------------------------------------------------------------


def test_who_hands_a_job_in_waits_until_it_is_done() -> None:
    started, go_on = threading.Event(), threading.Event()
    asked: list[str] = []

    def perform(job: str) -> None:
        asked.append(job)
        started.set()
        go_on.wait(60)

    with Desk(perform) as desk, ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(hand_in, "a", desk.address)
        assert started.wait(60)
        assert not waiting.done()
        go_on.set()
        waiting.result(60)
    assert asked == ["a"]


def test_strangers_at_the_desk_are_turned_away_and_others_still_served() -> None:
    asked: list[str] = []
    with Desk(asked.append) as desk:
        with pytest.raises((AuthenticationError, EOFError, OSError)):
            connection.Client(desk.address, authkey=b"wrong")
        connection.Client(desk.address).close()
        hand_in("a", desk.address)
    assert asked == ["a"]
