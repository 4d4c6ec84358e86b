"""Which runner the flags name, as Beam would read them, and whether it is there."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from pipeline.errors import EngineError
from pipeline.workers.engines import check_engine, is_local, runner_name


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
    assert is_local(flags) is ours


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("DaskRunner", "DaskRunner"),
        ("dask", "DaskRunner"),
        ("apache_beam.runners.dask.dask_runner.DaskRunner", "DaskRunner"),
        ("apache_beam.runners.dataflow.dataflow_runner.DataflowRunner", "DataflowRunner"),
        ("some.module.DaskRunner", "some.module.DaskRunner"),
        ("NoSuchRunner", "NoSuchRunner"),
    ],
)
def test_a_runner_goes_by_its_short_name(given: str, name: str) -> None:
    assert runner_name([f"--runner={given}"]) == name


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address at which nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{held.getsockname()[1]}"


@pytest.mark.parametrize(
    "flags",
    [
        ("--runner=PortableRunner", "--job_endpoint={}"),
        ("--runner=FlinkRunner", "--job_endpoint={}"),
        ("--runner=DaskRunner", "--dask_client_address=tcp://{}"),
        ("--runner=FlinkRunner", "--flink_master={}"),
        ("--runner=PrismRunner", "--environment_type=EXTERNAL", "--environment_config={}"),
    ],
)
def test_nothing_is_given_to_an_address_that_does_not_answer(flags: tuple[str, ...], nobody: str) -> None:
    with pytest.raises(EngineError, match=r"nothing answers at --.*Connection refused.*Nothing was started"):
        check_engine([flag.format(nobody) for flag in flags])


def test_one_that_answers_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        check_engine(["--runner=PortableRunner", f"--job_endpoint=localhost:{server.getsockname()[1]}"])


def test_dataflow_needs_its_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(EngineError, match=r"pip install 'morelli\[gcp\]'"):
        check_engine(["--runner=DataflowRunner"])


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--runner=PortableRunner"], "needs --job_endpoint=HOST:PORT"),
        (["--runner=DaskRunner"], "needs --dask_client_address=tcp://HOST:8786"),
        (["--runner=SparkRunner", "--job_server_java_launcher=no-such-java"], "no-such-java, which is not installed"),
    ],
)
def test_what_a_runner_needs_is_named(flags: list[str], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DASK_SCHEDULER_ADDRESS", raising=False)
    with pytest.raises(EngineError, match=said):
        check_engine(flags)
