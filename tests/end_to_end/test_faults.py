"""What a build survives: SIGKILL at any stage, a full disk, a worker that dies."""

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from pipeline.dataset.dataset import Dataset
from pipeline.verify import verify
from tests import galleries
from tests.end_to_end import builds
from tests.end_to_end.conftest import ALLOW, SCHEMES
from tests.forked import Command

DATASETS = ("crop64x4/1.0.0", "reshape48/1.0.0")
SMALL_SHARDS = "--shard_mib=0.1"
RECEIPTS = "*/1.0.0/.build/receipts/[!.]*.jsonl"
SHARDS = "*/1.0.0/*.tfrecord-*"  # those under a temporary name, too: of them no receipt tells yet


@pytest.fixture(scope="module")
def undisturbed(gallery, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("undisturbed")
    builds.build(gallery, output, *SCHEMES, ALLOW, SMALL_SHARDS)
    return output


def count(output: Path, pattern: str) -> int:
    return sum(1 for _ in output.glob(pattern))


# Stage -> whether a build that has just been started has reached it.
STAGES: dict[str, Callable[[Path], bool]] = {
    "at once": lambda output: True,
    "while surveying": lambda output: count(output, ".survey/*/jobs/*.jobs") > 0,
    "survey partly done": lambda output: count(output, ".survey/*/jobs/*.rows.jsonl") > 0,
    "while planning": lambda output: count(output, ".survey/*/[0-9]-*.rows.jsonl") > 0,
    "before the first shard": lambda output: count(output, ".jobs/*.jobs") > 0,
    "while a shard is written": lambda output: count(output, "*/1.0.0/.tmp-*") > 0,
    "after the first shard": lambda output: count(output, RECEIPTS) > 0,
    "half-way": lambda output: count(output, RECEIPTS) > 12,
    "while sealing": lambda output: count(output, "*/1.0.0/paintings.parquet") > 0,
}


def start(gallery: Path, output: Path, *more: str, **variables: str) -> Command:
    return builds.start(gallery, output, *SCHEMES, ALLOW, SMALL_SHARDS, *more, **variables)


def start_python(gallery: Path, output: Path, *more: str, **variables: str) -> subprocess.Popen[str]:
    """As a shell does."""
    return subprocess.Popen(
        builds.command(gallery, output, *SCHEMES, ALLOW, SMALL_SHARDS, *more),
        cwd=builds.ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **variables},
        start_new_session=True,
    )


def wait_until(reached: Callable[[], bool], process: Command | subprocess.Popen[str]) -> bool:
    """Whether it was reached before the process ended."""
    while process.poll() is None:
        if reached():
            return True
        time.sleep(0.001)
    return False


def descendants_gone(process: Command | subprocess.Popen[str]) -> bool:
    return not any(other.info["name"] and _in_session(other, process.pid) for other in psutil.process_iter(["name"]))


def _in_session(other: psutil.Process, session: int) -> bool:
    try:
        return os.getsid(other.pid) == session and other.status() != psutil.STATUS_ZOMBIE
    except (OSError, psutil.Error):
        return False


def test_killed_at_every_stage_the_bytes_are_those_of_an_undisturbed_build(gallery, undisturbed, tmp_path):
    kills = []
    chance = random.Random(0)
    for stage, reached in STAGES.items():
        process = start(gallery, tmp_path)
        if wait_until(lambda reached=reached: reached(tmp_path), process):
            time.sleep(chance.random() * 0.05)
            os.kill(process.pid, signal.SIGKILL)  # the workers are left to notice by themselves
            kills.append(stage)
        process.wait()
        deadline = time.monotonic() + 20
        while not descendants_gone(process):
            assert time.monotonic() < deadline, "workers outlived their build"
            time.sleep(0.05)
        for dataset in DATASETS:  # nothing half-written under a final name
            whole = builds.shards(undisturbed / dataset)
            for path in (tmp_path / dataset).glob("[!.]*.tfrecord-*"):
                assert path.read_bytes() == whole[path.name]
    assert len(kills) >= 6, kills
    builds.build(gallery, tmp_path, *SCHEMES, ALLOW, SMALL_SHARDS)
    for dataset in DATASETS:
        assert builds.contents(tmp_path / dataset) == builds.contents(undisturbed / dataset)
        assert list(verify(Dataset.open(tmp_path / dataset))) == []
    print(f"\nkilled {len(kills)} times: {', '.join(kills)}; all bytes equal")


def test_after_a_kill_only_missing_shards_are_written_on_whatever_machine(gallery, undisturbed, tmp_path):
    """Nothing in the state of a build but the paths of the paintings ties it to where it began."""
    first, second = tmp_path / "first", tmp_path / "second"
    process = start(gallery, first, "--workers=1")
    assert wait_until(lambda: count(first, RECEIPTS) > 6, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    shutil.copytree(first, second)
    lines = [(path.parents[2], line) for path in second.glob(RECEIPTS) for line in path.read_text().splitlines()]
    shards = [folder / json.loads(line)["shard"]["filename"] for folder, line in lines]
    before = {path: path.stat().st_mtime_ns for path in shards}
    assert "are written already" in builds.build(gallery, second, *SCHEMES, ALLOW, SMALL_SHARDS)
    assert {path: path.stat().st_mtime_ns for path in shards} == before
    for dataset in DATASETS:
        assert builds.shards(second / dataset) == builds.shards(undisturbed / dataset)


def test_a_full_disk_is_a_sentence_and_the_build_goes_on_when_there_is_room(gallery, undisturbed, small_disk):
    done = builds.run(gallery, small_disk, *SCHEMES, ALLOW, SMALL_SHARDS)
    assert done.returncode == 1
    assert "No room left to write" in done.stderr
    assert "Traceback" not in done.stderr
    assert count(small_disk, "*/1.0.0/.tmp-*") == 0
    for dataset in DATASETS:
        whole = builds.shards(undisturbed / dataset)
        for name, data in builds.shards(small_disk / dataset).items() if (small_disk / dataset).exists() else ():
            assert data == whole[name]
    subprocess.run(["mount", "-o", "remount,size=100m", small_disk], check=True)
    builds.build(gallery, small_disk, *SCHEMES, ALLOW, SMALL_SHARDS)
    for dataset in DATASETS:
        assert builds.contents(small_disk / dataset) == builds.contents(undisturbed / dataset)


def test_a_worker_that_dies_is_a_sentence_and_nothing_is_lost(gallery, undisturbed, tmp_path):
    process = start_python(gallery, tmp_path)
    assert wait_until(lambda: count(tmp_path, RECEIPTS) > 2, process)
    (nursery,) = [child for child in psutil.Process(process.pid).children() if child.children()]
    family = nursery.children()
    workers = set(family) - {max(family, key=lambda member: member.memory_info().rss)}  # which holds Beam
    assert workers
    for worker in workers:
        worker.kill()
    _, stderr = process.communicate(timeout=600)
    assert process.returncode == 1
    assert "A worker process died" in stderr
    builds.build(gallery, tmp_path, *SCHEMES, ALLOW, SMALL_SHARDS)
    for dataset in DATASETS:
        assert builds.contents(tmp_path / dataset) == builds.contents(undisturbed / dataset)


def test_a_signal_ends_all_processes_with_one_sentence_and_the_build_resumes(
    gallery, undisturbed, tmp_path, tmp_path_factory
):
    scratch = tmp_path_factory.mktemp("scratch")
    # Ctrl-C, which a terminal sends to all, as it does when it is lost; and a scheduler's.
    for number, send, begin in (
        (signal.SIGINT, os.killpg, start_python),
        (signal.SIGHUP, os.killpg, start),
        (signal.SIGTERM, os.kill, start),
    ):
        process = begin(gallery, tmp_path, "--workers=1", TMPDIR=str(scratch))
        written = count(tmp_path, RECEIPTS)
        assert wait_until(lambda written=written: count(tmp_path, RECEIPTS) > written, process)
        send(process.pid, number)
        _, stderr = process.communicate(timeout=600)
        assert process.poll() == 128 + number
        assert stderr.splitlines()[-1].endswith("The same command resumes from here.")
        assert "Traceback" not in stderr
        assert "resource_tracker" not in stderr
        assert list(scratch.iterdir()) == []
        deadline = time.monotonic() + 20
        while not descendants_gone(process):
            assert time.monotonic() < deadline, "workers outlived their build"
            time.sleep(0.05)
    assert "are written already" in builds.build(gallery, tmp_path, *SCHEMES, ALLOW, SMALL_SHARDS)
    for dataset in DATASETS:
        assert builds.contents(tmp_path / dataset) == builds.contents(undisturbed / dataset)


def test_paintings_that_go_away_while_shards_are_written_stop_the_build(gallery, undisturbed, tmp_path):
    away, out = tmp_path / "away", tmp_path / "out"
    while True:  # until it is caught in time, however busy the machine: with most of the paintings still to be written
        process = start(gallery, out, "--workers=1")
        assert wait_until(lambda: count(out, RECEIPTS) > 2, process)
        os.killpg(process.pid, signal.SIGSTOP)
        if 4 * count(out, SHARDS) < count(undisturbed, SHARDS):
            break
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        shutil.rmtree(out)
    try:
        gallery.rename(away)
        os.killpg(process.pid, signal.SIGCONT)
        assert process.wait(timeout=600) == 1
    finally:
        away.rename(gallery)
    assert not list(out.glob("*/1.0.0/morelli.json"))
    assert "are written already" in builds.build(gallery, out, *SCHEMES, ALLOW, SMALL_SHARDS)
    for dataset in DATASETS:
        assert builds.contents(out / dataset) == builds.contents(undisturbed / dataset)


def test_a_file_that_is_not_what_the_survey_saw_is_looked_at_again_in_the_same_build(painted, tmp_path):
    gallery, output = tmp_path / "gallery", tmp_path / "output"
    galleries.write(gallery, painted)
    builds.build(gallery, output, "--reshape=48")
    shutil.rmtree(output / "reshape48")
    edited = sorted(gallery.rglob("*.jpg"))[0]
    data = bytearray(edited.read_bytes())
    data[-40:-20] = bytes(20)
    edited.write_bytes(data)
    (rows,) = output.glob(
        ".survey/*/*.rows.jsonl"
    )  # made to say that this is the file that it knows, as a share's might
    lines = [json.loads(line) for line in rows.read_text().splitlines()]
    for line in lines:
        if line["path"] == str(edited):
            line["modified"], line["changed"] = edited.stat().st_mtime, edited.stat().st_ctime
    rows.write_text("".join(json.dumps(line) + "\n" for line in lines))

    said = builds.build(gallery, output, "--reshape=48")
    assert "note: files that have changed since they were looked at: 1;" in said
    dataset = Dataset.open(output / "reshape48")
    assert hashlib.sha256(data).hexdigest() in {row["digest"] for row in dataset.paintings("digest")}
    assert list(verify(dataset)) == []
    assert "rejects: none" in said
