"""On a Dask cluster: the same bytes, from both workers, whoever is killed."""

from __future__ import annotations

import os
import signal
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


SURVEYING, WRITING, FINISHING = ".survey/*/jobs/*.rows.jsonl", "*/1.0.0/.tmp-*", "*/1.0.0/.build/receipts/[!.]*"


@pytest.mark.parametrize("stages", [(SURVEYING, WRITING), (FINISHING,)], ids=["survey and shard", "finish"])
def test_workers_that_are_killed_are_done_without(
    stages: tuple[str, ...], gallery: Path, undisturbed: Path, dask: Cluster, tmp_path: Path
) -> None:
    workers = dask.pids()
    build = builds.start(gallery, tmp_path, *FLAGS, *dask.flags)
    for worker, there in zip(workers, stages, strict=False):
        wait_until(lambda there=there: list(tmp_path.glob(there)), build)
        os.kill(worker, signal.SIGKILL)
    assert build.wait(PATIENCE) == 0, build.communicate()[1]
    check(tmp_path, undisturbed)


def test_a_scheduler_that_dies_is_said_and_the_same_command_resumes(
    gallery: Path, undisturbed: Path, dask: Cluster, tmp_path: Path
) -> None:
    output, folder = tmp_path / "out", tmp_path / "cluster"
    folder.mkdir()
    with cluster(folder) as dying:
        build = builds.start(gallery, output, *FLAGS, *dying.flags)
        wait_until(lambda: list(output.glob("*/1.0.0/.build/receipts/[!.]*")), build)
        dying.scheduler.kill()
        _, err = build.communicate(PATIENCE)
        assert build.poll() == 1, err
        assert "the scheduler can no longer be reached" in err
        assert "were not written" in err
        assert "Run the same command again" in err
        assert "Traceback" not in err
        assert not list(output.glob("*/1.0.0/morelli.json"))
    said = builds.build(gallery, output, *FLAGS, *dask.flags)
    assert "are written already" in said
    check(output, undisturbed)
