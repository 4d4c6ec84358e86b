"""The same bytes from another Beam runner: through a job service, which pickles and stages as Dataflow's does."""

import subprocess
import sys
import time

import pytest

from tests.end_to_end import builds
from tests.end_to_end.conftest import ALLOW, SCHEMES


@pytest.fixture
def job_service(tmp_path):
    """The address of a local Beam job service."""
    port_file = tmp_path / "port"
    service = subprocess.Popen(
        [sys.executable, "-m", "apache_beam.runners.portability.local_job_service_main", f"--port_file={port_file}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=builds.ROOT,
    )
    deadline = time.monotonic() + 60
    while not port_file.exists() or not port_file.read_text():
        assert service.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    yield f"localhost:{port_file.read_text()}"
    service.terminate()
    service.wait(timeout=20)


def test_a_job_service_gives_the_same_bytes(gallery, built, job_service, tmp_path):
    builds.build(
        gallery,
        tmp_path / "out",
        *SCHEMES,
        ALLOW,
        "--runner=PortableRunner",
        f"--job_endpoint={job_service}",
        "--environment_type=beam:env:harness_subprocess_python:v1",
        f"--environment_config={sys.executable} -m apache_beam.runners.worker.sdk_worker_main",
    )
    for dataset in ("crop64x4/1.0.0", "reshape48/1.0.0"):
        assert builds.contents(tmp_path / "out" / dataset) == builds.contents(built / dataset)


def test_beams_own_worker_processes_give_the_same_bytes(gallery, built, tmp_path):
    flags = ("--direct_running_mode=multi_processing", "--workers=2")
    builds.build(gallery, tmp_path, *SCHEMES, ALLOW, *flags)
    assert builds.contents(tmp_path / "crop64x4/1.0.0") == builds.contents(built / "crop64x4/1.0.0")


def test_a_runner_that_beam_does_not_know_is_a_sentence(gallery, tmp_path):
    done = builds.run(gallery, tmp_path, *SCHEMES, ALLOW, "--runner=NoSuchRunner")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "NoSuchRunner" in done.stderr
