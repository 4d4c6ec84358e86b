"""Every peer writes what the benchmark says it does, and one that cannot is named."""

from __future__ import annotations

import importlib
import io
import json
import pickle
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import build
from benchmarks.builders import PEERS
from benchmarks.builders.pictures import cut, paintings
from benchmarks.measure import run
from pipeline import records
from pipeline.records import Scheme

CROPS = Scheme.parse("crop16x3")
SQUASHED = Scheme.parse("reshape32")

Picture = tuple[int, bytes]  # label, pixels row by row


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six paintings of noise by two artists."""
    folder = tmp_path_factory.mktemp("gallery")
    noise = np.random.default_rng(0)
    for number in range(6):
        path = folder / f"Artist {number % 2}" / f"{number}.jpg"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(noise.integers(0, 256, (40 + number, 60, 3), np.uint8)).save(path)
    return folder


def _tfrecords(folder: Path) -> Iterator[Picture]:
    import tensorflow as tf

    for path in sorted(folder.rglob("*.tfrecord*")):
        with path.open("rb") as stream:
            for _, payload in records.read_frames(stream, str(path)):
                feature = tf.train.Example.FromString(payload).features.feature
                yield feature["label"].int64_list.value[0], feature["image"].bytes_list.value[0]


def _tars(folder: Path) -> Iterator[Picture]:
    for path in sorted(folder.rglob("*.tar")):
        with tarfile.open(path) as tar:
            members = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
        for name, content in members.items():
            if name.endswith(".pixels"):
                yield int(members[name.replace(".pixels", ".cls")]), content
            elif name.endswith(".jpg"):
                label = json.loads(members[name.replace(".jpg", ".json")])["caption"]
                yield int(label), np.asarray(Image.open(io.BytesIO(content))).tobytes()


def _mds(folder: Path) -> Iterator[Picture]:
    command = [sys.executable, "-c", _READ_MDS, str(folder)]
    return iter(pickle.loads(subprocess.run(command, check=True, capture_output=True).stdout))


_READ_MDS = """
import pickle, streaming, sys
samples = streaming.LocalDataset(local=sys.argv[1])
pickle.dump([(int(sample["label"]), sample["image"].tobytes()) for sample in samples], sys.stdout.buffer)
"""

READERS: dict[str, Callable[[Path], Iterator[Picture]]] = {
    "afternoon": _tfrecords,
    "tfds": _tfrecords,
    "tfds_beam": _tfrecords,
    "beam": _tfrecords,
    "web": _tars,
    "mosaic": _mds,
    "img2": _tars,
}


def _build(peer: str, gallery: Path, output: Path, scheme: Scheme) -> list[Picture]:
    if peer in (absent := build.available()[1]):
        pytest.skip(absent[peer])
    if peer == "mosaic":  # PyTorch aborts in a process that has imported TensorFlow
        run(build.command(peer, gallery, output, scheme.name, 1))
        return sorted(READERS[peer](output))
    module = importlib.import_module(f"benchmarks.builders.{peer}")
    if peer.startswith("tfds"):
        import tensorflow_datasets

        with tensorflow_datasets.core.registered.skip_registration():  # a process has a builder of that name once
            module.build(paintings(gallery), output, scheme, 1)
    else:
        module.build(paintings(gallery), output, scheme, 1)
    return sorted(READERS[peer](output))


def test_every_peer_is_read_here() -> None:
    assert READERS.keys() == PEERS.keys()


@pytest.mark.parametrize("peer", [peer for peer in PEERS if peer != "img2"])
def test_a_peer_writes_every_crop_of_every_painting_with_its_label(peer: str, gallery: Path, tmp_path: Path) -> None:
    expected = [(each.label, crop.tobytes()) for each in paintings(gallery) for crop in cut(each, CROPS)]
    assert len(set(expected)) == 6 * CROPS.samples
    assert _build(peer, gallery, tmp_path / "built", CROPS) == sorted(expected)


def test_img2dataset_writes_a_square_of_every_painting_with_its_label(gallery: Path, tmp_path: Path) -> None:
    written = _build("img2", gallery, tmp_path / "built", SQUASHED)
    assert [label for label, _ in written] == [0, 0, 0, 1, 1, 1]
    assert {len(pixels) for _, pixels in written} == {32 * 32 * 3}


def test_img2dataset_refuses_crops(gallery: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot cut windows"):
        _build("img2", gallery, tmp_path / "built", CROPS)


def test_a_peer_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PEERS, "ghost", ("what nobody has", "no-such-distribution"))
    versions, absent = build.available()
    assert "no-such-distribution is not installed" in absent["ghost"]
    assert versions.keys().isdisjoint({"no-such-distribution"})
    assert "ghost" not in build.Trial(Path(), 1, absent).contenders(PEERS)


def test_a_peer_that_fails_is_named_and_stops_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def command(contender: str, *_: object) -> list[str]:
        return [sys.executable, "-c", "raise SystemExit('no disk')" if contender == "tfds" else "pass"]

    monkeypatch.setattr(build, "command", command)
    trial = build.Trial(tmp_path, 1, {})
    assert trial.build("tfds", tmp_path, build.CROPS) is None
    assert trial.not_run == {"tfds": "no disk"}
    assert trial.contenders(["tfds", "beam"]) == ["beam"]
    assert trial.build("beam", tmp_path, build.CROPS) is not None
