"""The same bytes from another Beam runner: through a job service, which pickles and stages as Dataflow's does."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.dataset.contract import SPLITS
from pipeline.dataset.dataset import Dataset
from pipeline.dataset.rejects import REJECTS_FILE, TOOK_TOO_LONG, read_rejects
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


def test_every_runner_gives_the_same_bytes_and_rejects_a_picture_that_takes_too_long(
    slow_gallery: Path, job_service: str, tmp_path: Path
) -> None:
    runners = {
        "ours": (),
        "Beam's own worker processes": ("--direct_running_mode=multi_processing",),
        "a job service": (
            "--runner=PortableRunner",
            f"--job_endpoint={job_service}",
            "--environment_type=beam:env:harness_subprocess_python:v1",
            f"--environment_config={sys.executable} -m apache_beam.runners.worker.sdk_worker_main",
        ),
    }
    for output, flags in runners.items():
        limits = ("--max_seconds=0.1", "--max_rejects=0.5", "--workers=2")
        said = builds.build(slow_gallery, tmp_path / output, *SCHEMES, *limits, *flags)
        assert "took too long" in said
        for name, records in (("crop64x4", 64), ("reshape48", 16)):
            dataset = Dataset.open(tmp_path / output / name)
            assert sum(dataset.contract.records(split) for split in SPLITS) == records
            assert builds.contents(Path(dataset.folder)) == builds.contents(tmp_path / "ours" / name / "1.0.0")
            (reject,) = read_rejects((Path(dataset.folder) / REJECTS_FILE).read_bytes())
            assert reject.reason == TOOK_TOO_LONG
            assert not list(Path(dataset.folder).glob(".tmp-*"))


def test_a_full_disk_under_a_job_service_is_one_line(gallery, job_service, small_disk):
    flags = ("--runner=PortableRunner", f"--job_endpoint={job_service}", "--environment_type=LOOPBACK")
    command = builds.command(gallery, small_disk, *SCHEMES, ALLOW, "--shard_mib=0.1", *flags)
    done = subprocess.run(command, cwd=builds.ROOT, capture_output=True, text=True)  # Beam's worker is in it
    assert done.returncode == 1
    *_, last = done.stderr.splitlines()
    assert last.startswith("error: No room left to write")
    assert "shards of" in last
    assert "were not written" in last
    assert "Traceback" not in done.stderr
    assert not list(small_disk.glob("*/1.0.0/.tmp-*"))


def test_a_picture_that_asks_for_too_much_memory_is_a_reject(slow_gallery: Path, tmp_path: Path) -> None:
    limits = ("--max_picture_mib=64", "--max_rejects=0.5")
    builds.build(slow_gallery, tmp_path, "--crop=64", "--samples=2", *limits)
    assert "out of memory" in (tmp_path / "crop64x2/1.0.0/rejects.csv").read_text()


def test_a_runner_that_beam_does_not_know_is_a_sentence(slow_gallery, tmp_path):
    done = builds.run(slow_gallery, tmp_path, *SCHEMES, "--runner=NoSuchRunner")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "NoSuchRunner" in done.stderr
