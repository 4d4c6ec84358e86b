"""On a Dask cluster: the same bytes, from both workers, whoever is killed."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dask_cluster import PATIENCE, Cluster, cluster, wait_until
from tests.end_to_end import builds
from tests.end_to_end.conftest import ALLOW, SCHEMES

DATASETS = ("crop64x4/1.0.0", "reshape48/1.0.0")
FLAGS = (*SCHEMES, ALLOW, "--shard_mib=0.1")


@pytest.fixture(scope="module")
def undisturbed(gallery: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("undisturbed")
    builds.build(gallery, output, *FLAGS)
    return output


@pytest.fixture(scope="module")
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("cluster")) as made:
        yield made


def start(gallery: Path, output: Path, dask: Cluster) -> subprocess.Popen[str]:
    return subprocess.Popen(
        builds.command(gallery, output, *FLAGS, *dask.flags),
        cwd=builds.ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def check(output: Path, undisturbed: Path) -> None:
    for dataset in DATASETS:
        assert builds.contents(output / dataset) == builds.contents(undisturbed / dataset)
        assert not list((output / dataset).rglob(".tmp-*"))


def test_both_workers_do_their_share_of_the_same_bytes(
    gallery: Path, undisturbed: Path, dask: Cluster, tmp_path: Path
) -> None:
    before = dask.shares()
    builds.build(gallery, tmp_path, *FLAGS, *dask.flags)
    shares = [after - earlier for after, earlier in zip(dask.shares(), before, strict=True)]
    check(tmp_path, undisturbed)
    assert min(shares) >= 0.2 * sum(shares), shares


@pytest.mark.parametrize(
    "there",
    [".survey/*/jobs/*.rows.jsonl", "*/1.0.0/.tmp-*", "*/1.0.0/.build/receipts/[!.]*"],
    ids=["in the survey", "in a shard", "in the finish"],
)
def test_a_worker_that_is_killed_is_done_without(
    there: str, gallery: Path, undisturbed: Path, dask: Cluster, tmp_path: Path
) -> None:
    workers = dask.pids()
    build = start(gallery, tmp_path, dask)
    wait_until(lambda: list(tmp_path.glob(there)), build)
    os.kill(workers[0], signal.SIGKILL)
    _, err = build.communicate(timeout=PATIENCE)
    assert build.returncode == 0, err
    check(tmp_path, undisturbed)


def test_a_scheduler_that_dies_is_said_and_the_same_command_resumes(
    gallery: Path, undisturbed: Path, tmp_path: Path
) -> None:
    output, first, second = (tmp_path / name for name in ("out", "first", "second"))
    first.mkdir()
    with cluster(first) as dask:
        build = start(gallery, output, dask)
        wait_until(lambda: list(output.glob("*/1.0.0/.build/receipts/[!.]*")), build)
        dask.scheduler.kill()
        _, err = build.communicate(timeout=PATIENCE)
        assert build.returncode == 1, err
        assert "the scheduler can no longer be reached" in err
        assert "were not written" in err
        assert "Run the same command again" in err
        assert "Traceback" not in err
        assert not list(output.glob("*/1.0.0/morelli.json"))
    second.mkdir()
    with cluster(second) as dask:
        said = builds.build(gallery, output, *FLAGS, *dask.flags)
        assert "are written already" in said
        check(output, undisturbed)
