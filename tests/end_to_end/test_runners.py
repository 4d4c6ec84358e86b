"""The same bytes from another Beam runner: through a job service, which pickles and stages as Dataflow's does."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.dataset.dataset import Dataset
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


def test_a_full_disk_under_a_job_service_is_one_line(gallery, job_service, small_disk):
    flags = ("--runner=PortableRunner", f"--job_endpoint={job_service}", "--environment_type=LOOPBACK")
    done = builds.run(gallery, small_disk, *SCHEMES, ALLOW, "--shard_mib=0.1", *flags)
    assert done.returncode == 1
    *_, last = done.stderr.splitlines()
    assert last.startswith("error: No room left to write")
    assert "shards of" in last
    assert "were not written" in last
    assert "Traceback" not in done.stderr
    assert not list(small_disk.glob("*/1.0.0/.tmp-*"))


def test_beams_own_worker_processes_give_the_same_bytes(gallery, built, tmp_path):
    flags = ("--direct_running_mode=multi_processing", "--workers=2")
    builds.build(gallery, tmp_path, *SCHEMES, ALLOW, *flags)
    assert builds.contents(tmp_path / "crop64x4/1.0.0") == builds.contents(built / "crop64x4/1.0.0")


@pytest.fixture(scope="module")
def slow_gallery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two artists' small pictures, and one of 25 megapixels that takes a third of a second to decode."""
    folder = tmp_path_factory.mktemp("slow")
    generator = np.random.default_rng(0)
    for artist in ("Ada", "Ben"):
        (folder / artist).mkdir()
        for number in range(8):
            pixels = generator.integers(0, 256, (90, 80, 3), np.uint8)
            Image.fromarray(pixels).save(folder / artist / f"{number}.png")
    Image.new("RGB", (5000, 5000)).save(folder / "Ada" / "slow.png", compress_level=1)
    return folder


@pytest.mark.parametrize("flags", [(), ("--direct_running_mode=multi_processing",)], ids=["ours", "Beam's"])
def test_a_picture_that_takes_too_long_is_a_reject_and_the_build_goes_on(
    flags: tuple[str, ...], slow_gallery: Path, tmp_path: Path
) -> None:
    limits = ("--max_seconds=0.1", "--max_rejects=0.5", "--workers=2")
    said = builds.build(slow_gallery, tmp_path, "--crop=64", "--samples=2", *limits, *flags)
    assert "took too long" in said
    table = (tmp_path / "crop64x2/1.0.0/rejects.csv").read_text()
    assert [line.split(",")[2] for line in table.splitlines()[1:]] == ["took too long"]
    contract = Dataset.open(tmp_path / "crop64x2").contract
    assert sum(contract.records(split) for split in ("train", "validation", "test")) == 32
    assert not list((tmp_path / "crop64x2/1.0.0").glob(".tmp-*"))


def test_a_picture_that_asks_for_too_much_memory_is_a_reject(slow_gallery: Path, tmp_path: Path) -> None:
    limits = ("--max_picture_mib=64", "--max_rejects=0.5")
    builds.build(slow_gallery, tmp_path, "--crop=64", "--samples=2", *limits)
    assert "out of memory" in (tmp_path / "crop64x2/1.0.0/rejects.csv").read_text()


def test_a_runner_that_beam_does_not_know_is_a_sentence(gallery, tmp_path):
    done = builds.run(gallery, tmp_path, *SCHEMES, ALLOW, "--runner=NoSuchRunner")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "NoSuchRunner" in done.stderr
