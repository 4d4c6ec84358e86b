from __future__ import annotations

import pytest

from pipeline.errors import InputError
from pipeline.flags import parse
from pipeline.workers import package
from pipeline.workers.dataflow import check_dataflow

GOOD = (
    "--runner=DataflowRunner",
    "--project=p",
    "--region=europe-west1",
    "--temp_location=gs://b/tmp",
    "--setup_file=./setup.py",
)
PLACES = {"--output_dir": "gs://b/datasets", "--data_dir": "gs://b/art", "--manifest": None}


def test_what_is_whole_passes_and_other_runners_are_not_looked_at() -> None:
    check_dataflow(GOOD, PLACES)
    check_dataflow(("--runner=FlinkRunner",), {"--output_dir": "here"})


@pytest.mark.parametrize(
    ("flags", "places", "said"),
    [
        (GOOD[:1] + GOOD[2:], PLACES, "--project is missing"),
        (GOOD[:2] + GOOD[3:], PLACES, "--region is missing"),
        (GOOD[:3] + GOOD[4:], PLACES, "--temp_location=gs://BUCKET/tmp is missing"),
        ((*GOOD, "--template_location=gs://b/t"), PLACES, "a build is two jobs"),
        (GOOD, {**PLACES, "--output_dir": "datasets"}, "--output_dir=datasets is on this machine"),
        (GOOD, {**PLACES, "--manifest": "m.csv"}, "--manifest=m.csv is on this machine"),
        (GOOD, {**PLACES, "--data_dir": None}, "--data_dir is missing"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_started(
    flags: tuple[str, ...], places: dict[str, str | None], said: str
) -> None:
    with pytest.raises(InputError, match=said.replace("(", r"\(")) as caught:
        check_dataflow(flags, places)
    assert str(caught.value).endswith("Nothing was started.")


def test_workers_need_the_package_where_no_wheel_of_it_can_be_built(monkeypatch: pytest.MonkeyPatch) -> None:
    check_dataflow(GOOD[:4], PLACES)
    monkeypatch.setattr(package, "can_be_built", lambda: False)
    with pytest.raises(InputError, match="workers could not import it"):
        check_dataflow(GOOD[:4], PLACES)


def test_only_jobs_of_dataflow_run_on_by_themselves(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--crop=64", "--samples=1", "--detach"], 1, 10**8)
    assert "--detach is for --runner=DataflowRunner" in capsys.readouterr().err


def test_the_command_refuses_with_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        parse(["--crop=64", "--samples=1", "--data_dir=art", "--output_dir=out", *GOOD], 1, 10**8)
    assert end.value.code == 2
    assert "on this machine, where no worker sees it" in capsys.readouterr().err


def test_workers_elsewhere_are_given_whole_paths(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)
    flags = ["--crop=64", "--samples=1", "--data_dir=art", "--output_dir=out", "--runner=PortableRunner"]
    settings = parse([*flags, "--job_endpoint=localhost:1"], 1, 10**8)
    assert settings.output_dir == str(tmp_path / "out")
    assert settings.data_dir == str(tmp_path / "art")
    assert parse(flags[:-1], 1, 10**8).output_dir == "out"
