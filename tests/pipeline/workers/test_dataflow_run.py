"""Steps on Dataflow: one job each, found again, left or cancelled. The service is a stub that speaks its REST API."""

from __future__ import annotations

import io
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import EngineError
from pipeline.pictures.guard import Limits
from pipeline.survey import survey_batch
from pipeline.workers import dataflow_jobs, dataflow_run, results
from pipeline.workers.dataflow_run import DataflowRun, Detached
from pipeline.workers.results import Results
from pipeline.workers.step import Step
from tests.dataflow_service import Service, serving

STEP = Step(survey_batch)


class Here:
    """Stands for a process of its own."""

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return function(*arguments)


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.setattr(dataflow_jobs, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(results, "LOCAL_SECONDS", 0.02)
    monkeypatch.setattr(dataflow_run, "apart", lambda function, *arguments: function(*arguments))
    with serving() as service:
        yield service


@pytest.fixture
def flags(service: Service, tmp_path: Path) -> tuple[str, ...]:
    (tmp_path / "any.whl").touch()
    return (*service.flags, f"--extra_package={tmp_path / 'any.whl'}")


def perform(run: DataflowRun, folder: Path, on_done: Callable[[dict[str, Any]], None] = lambda result: None) -> str:
    where = Results((str(folder / "rows"),), ".rows", 0, 2, 10)
    return run.perform(Here(), STEP, ("a", "b"), where, on_done)  # type: ignore[arg-type]


def when_started(service: Service, act: Callable[[], None]) -> None:
    def follow() -> None:
        service.wait_for_jobs(1)
        act()

    threading.Thread(target=follow, daemon=True).start()


def test_a_job_is_named_at_once_and_told_of_by_the_results_that_appear(
    service: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[int] = []
    half = threading.Event()

    def on_done(result: dict[str, Any]) -> None:
        seen.append(result["paintings"])
        half.set()

    def work() -> None:
        (tmp_path / "rows").mkdir()
        (tmp_path / "rows" / "1.rows").touch()
        assert half.wait(60)
        (tmp_path / "rows" / "2.rows").touch()
        service.end("DONE")

    when_started(service, work)
    assert perform(DataflowRun(service.flags, Limits(), detach=False), tmp_path, on_done) == ""
    assert seen == [5, 5]
    assert (
        "Dataflow job 2026-1 has started: https://console.cloud.google.com/dataflow/jobs/europe-west1/2026-1?project=p"
    ) in capsys.readouterr().out
    (wheel,) = [content for name, content in service.staged.items() if name.endswith(".whl")]
    names = zipfile.ZipFile(io.BytesIO(wheel)).namelist()
    assert "pipeline/survey.py" in names
    assert not [name for name in names if name.startswith("tests")]


def test_a_job_that_is_left_is_found_again_and_not_started_twice(
    service: Service, flags: tuple[str, ...], tmp_path: Path
) -> None:
    with pytest.raises(Detached, match="2026-1 runs on"):
        perform(DataflowRun(flags, Limits(), detach=True), tmp_path)
    run = DataflowRun(flags, Limits(), detach=False)
    timer = threading.Timer(0.2, lambda: service.end("DONE"))
    timer.start()
    assert perform(run, tmp_path) == ""
    assert service.states() == ["DONE"]
    timer.join()
    with pytest.raises(Detached):
        perform(DataflowRun(flags, Limits(), detach=True), tmp_path)
    assert service.states() == ["DONE", "RUNNING"]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (
            "Traceback\npipeline.errors.StorageError: No room left. Free some. [while running 'x']",
            "No room left. Free some.",
        ),
        ("Quota CPUS exceeded.", "Dataflow job 2026-1 has ended as failed: Quota CPUS exceeded. See https://console"),
    ],
)
def test_a_job_that_fails_says_why(
    fault: str, said: str, service: Service, flags: tuple[str, ...], tmp_path: Path
) -> None:
    service.fault = fault
    when_started(service, lambda: service.end("FAILED"))
    assert perform(DataflowRun(flags, Limits(), detach=False), tmp_path).startswith(said)


def interrupted(*_: object) -> str:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("terminal", "answer", "state"), [(False, "", "CANCELLED"), (True, "\n", "CANCELLED"), (True, "n\n", "RUNNING")]
)
def test_a_signal_cancels_the_job_unless_someone_objects(
    terminal: bool,
    answer: str,
    state: str,
    service: Service,
    flags: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(dataflow_jobs, "wait", interrupted)
    run = DataflowRun(flags, Limits(), detach=False)
    with pytest.raises(KeyboardInterrupt) as stopped:
        perform(run, tmp_path)
    monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
    for stream in (sys.stdin, sys.stderr):
        monkeypatch.setattr(stream, "isatty", lambda: terminal)
    run.leave(stopped.value)
    assert service.states() == [state]
    said = capsys.readouterr().err
    assert ("Cancel Dataflow job 2026-1?" in said) is terminal
    assert {"CANCELLED": "is being cancelled", "RUNNING": "runs on, and is billed"}[state] in said


def test_without_credentials_nothing_is_asked(
    service: Service, flags: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "no-such-key.json"))
    with pytest.raises(EngineError, match="no credentials of Google Cloud"):
        dataflow_jobs.find([flag for flag in flags if flag != "--no_auth"], "any")


def test_what_is_missing_there_is_said_and_nothing_is_started(
    service: Service, flags: tuple[str, ...], tmp_path: Path
) -> None:
    with pytest.raises(EngineError, match=r"no such project or region: .*/nowhere/.*Nothing was started"):
        perform(DataflowRun((*flags, "--region=nowhere"), Limits(), detach=False), tmp_path)
    assert not service.staged
    with pytest.raises(EngineError, match=r"no such thing: .*/nobody.*Nothing was started"):
        perform(DataflowRun((*flags, "--temp_location=gs://nobody/tmp"), Limits(), detach=False), tmp_path)
    assert not service.jobs
