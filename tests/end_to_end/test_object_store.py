"""From an object store, to it, and learning from it: the same bytes and the same weights as on a local disk.

All through a line that spoils, in some way, whatever is asked for the first time.
"""

from __future__ import annotations

import csv
import hashlib
import io
import signal
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

from pipeline.dataset.dataset import Dataset
from pipeline.storage import objects
from tests import forked, galleries, proxy
from tests.end_to_end import builds
from tests.end_to_end.trainings import newest_step, wait_for_step
from tests.remote import serving, serving_google, spoilt
from trainer.training import checkpoint

SCHEMES = ("--crop=32", "--samples=4")


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    with serving() as address, spoilt(proxy.flaky()):
        yield address


@pytest.fixture(scope="module")
def uploaded(bucket: str, painted: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A gallery in the bucket."""
    gallery = tmp_path_factory.mktemp("gallery")
    galleries.write(gallery, painted)
    for path in sorted(gallery.rglob("*.*")):
        objects.put(f"{bucket}/art/{path.relative_to(gallery).as_posix()}", [path.read_bytes()])
    return f"{bucket}/art"


@pytest.fixture(scope="module")
def datasets(uploaded: str, bucket: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """(in the bucket, on the disk), both built of the bucket's gallery."""
    local = tmp_path_factory.mktemp("local")
    builds.build(uploaded, f"{bucket}/datasets", *SCHEMES)
    builds.build(uploaded, local, *SCHEMES)
    return f"{bucket}/datasets", local


def test_a_build_there_gives_the_bytes_of_one_here_and_can_be_verified(datasets: tuple[str, Path]) -> None:
    there, here = datasets
    shards = builds.shards(here / "crop32x4" / "1.0.0")
    assert shards
    for name, content in shards.items():
        assert objects.get(f"{there}/crop32x4/1.0.0/{name}") == content
    done = forked.run("pipeline.verify", f"{there}/crop32x4")
    assert done.returncode == 0, done.stderr
    assert not [found.path for found in objects.below(there) if "/.tmp-" in found.path or "/.lock" in found.path]


def test_a_build_in_googles_store_gives_the_same_bytes(datasets: tuple[str, Path], uploaded: str) -> None:
    pictures = {found.path.removeprefix(uploaded): objects.get(found.path) for found in objects.below(uploaded)}
    with serving_google() as google:
        for name, content in pictures.items():
            objects.put(f"{google}/art{name}", [content])
        builds.build(f"{google}/art", f"{google}/datasets", *SCHEMES)
        for name, content in builds.shards(datasets[1] / "crop32x4" / "1.0.0").items():
            assert objects.get(f"{google}/datasets/crop32x4/1.0.0/{name}") == content
        done = forked.run("pipeline.verify", f"{google}/datasets/crop32x4")
        assert done.returncode == 0, done.stderr


def test_a_second_build_there_has_nothing_to_do(datasets: tuple[str, Path], uploaded: str) -> None:
    before = {found.path: found.version for found in objects.below(datasets[0]) if ".tfrecord-" in found.path}
    assert "are written already" in builds.build(uploaded, datasets[0], *SCHEMES)
    after = {found.path: found.version for found in objects.below(datasets[0]) if ".tfrecord-" in found.path}
    assert after == before


def test_a_run_that_learns_from_there_and_is_stopped_has_the_weights_of_one_here(
    datasets: tuple[str, Path], uploaded: str, tmp_path: Path
) -> None:
    flags = ("--backbone=ResNet8", "--epochs=1", "--batch_size=8", "--deterministic", "--checkpoint_every=2")
    cache = f"--cache_dir={tmp_path / 'cache'}"
    there = (f"--dataset_dir={datasets[0]}/crop32x4", f"--run_dir={tmp_path / 'there'}", cache)
    stopped = forked.Command("trainer.main", *there, *flags)
    wait_for_step(stopped, tmp_path / "there", 2)
    stopped.send_signal(signal.SIGTERM)
    _, err = stopped.communicate()
    assert stopped.poll() == 128 + signal.SIGTERM, err
    assert newest_step(tmp_path / "there") >= 2
    here = (f"--dataset_dir={datasets[1]}/crop32x4", f"--run_dir={tmp_path / 'here'}")
    digests = []
    for where, name in ((there, "there"), (here, "here")):
        done = forked.run("trainer.main", *where, *flags)
        assert done.returncode == 0, done.stderr
        found = checkpoint.newest(tmp_path / name / "checkpoints")
        assert found is not None
        digest = hashlib.sha256()
        for variable in sorted(found.arrays):
            digest.update(found.arrays[variable].tobytes())
        digests.append(digest.hexdigest())
        assert (tmp_path / name / "report.html").stat().st_size
    assert digests[0] == digests[1]
    shards = [shard for some in Dataset.open(datasets[1] / "crop32x4").contract.splits.values() for shard in some]
    assert {path.name for path in (tmp_path / "cache").iterdir()} == {shard.sha256 for shard in shards}
    asked = forked.run("trainer.predict", f"--run_dir={tmp_path / 'there'}", f"{uploaded}/")
    assert asked.returncode == 0, asked.stderr
    rows = list(csv.DictReader(io.StringIO(asked.stdout)))
    pictures = {found.path for found in objects.below(uploaded) if found.path.endswith(".jpg")}
    assert {row["path"] for row in rows} == pictures
    alone = forked.run("trainer.predict", f"--run_dir={tmp_path / 'there'}", rows[0]["path"])
    assert alone.returncode == 0, alone.stderr
    assert alone.stdout.startswith(rows[0]["path"])
    none = forked.run("trainer.predict", f"--run_dir={tmp_path / 'there'}", f"{uploaded}-none/")
    assert none.returncode == 1
    assert "does not exist or is empty" in none.stderr


def test_a_missing_bucket_and_a_run_folder_that_is_an_address_are_a_sentence(datasets: tuple[str, Path]) -> None:
    done = builds.run("s3://nobody/art", "s3://nobody/datasets", *SCHEMES)
    assert done.returncode == 1
    assert "There is no bucket nobody" in done.stderr
    assert "Traceback" not in done.stderr
    done = forked.run("trainer.main", f"--dataset_dir={datasets[0]}/crop32x4", "--run_dir=s3://bucket/run")
    assert done.returncode == 1
    assert "Pass a local folder" in done.stderr


def test_pictures_that_go_or_are_locked_meanwhile_are_rejects(uploaded: str, tmp_path: Path) -> None:
    first, second = [found.path for found in objects.below(uploaded) if found.path.endswith(".jpg")][:2]

    def between(request: proxy.Request, forward: proxy.Forward) -> proxy.Answer:
        if unquote(request.target).endswith(first.partition("://")[2]):
            return proxy.refused(404, "NoSuchKey")
        if unquote(request.target).endswith(second.partition("://")[2]):
            return proxy.refused(403, "AccessDenied")
        return forward(request)

    with spoilt(between):
        builds.build(uploaded, tmp_path, *SCHEMES, "--max_rejects=0.5")
    rows = csv.DictReader((tmp_path / "crop32x4" / "1.0.0" / "rejects.csv").read_text().splitlines())
    said = {row["path"]: row["detail"] for row in rows}
    assert list(said) == [first, second]
    gone, locked = said.values()
    assert "there is no such object" in gone
    assert "the store does not allow it" in locked


def test_a_store_that_allows_nothing_is_a_sentence(uploaded: str, bucket: str) -> None:
    with spoilt(lambda _request, _forward: proxy.refused(403, "AccessDenied")):
        done = builds.run(uploaded, f"{bucket}/locked", *SCHEMES)
    assert done.returncode == 1
    assert "the store does not allow it" in done.stderr
    assert "Traceback" not in done.stderr
