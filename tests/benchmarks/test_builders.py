"""Peers with formats of their own hold every crop with its label, and one that fails stops no other."""

from __future__ import annotations

import io
import json
import pickle
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import build, builders
from benchmarks.builders.pictures import cut, paintings
from benchmarks.measure import available, run
from pipeline.dataset.schemes import parse_scheme

Picture = tuple[int, bytes]  # label, pixels row by row

_READ_MDS = """
import pickle, streaming, sys
samples = streaming.LocalDataset(local=sys.argv[1])
pickle.dump([(int(sample["label"]), sample["image"].tobytes()) for sample in samples], sys.stdout.buffer)
"""


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six paintings of noise by two artists."""
    folder = tmp_path_factory.mktemp("gallery")
    noise = np.random.default_rng(0)
    for number in range(6):
        path = folder / f"Artist {number % 2}" / f"{number}.jpg"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(noise.integers(0, 256, (90 + number, 120, 3), np.uint8)).save(path)
    return folder


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
    # PyTorch, which it brings, aborts in a process that has imported TensorFlow.
    command = [sys.executable, "-c", _READ_MDS, str(folder)]
    return iter(pickle.loads(subprocess.run(command, check=True, capture_output=True).stdout))


def _build(peer: str, gallery: Path, output: Path, scheme: str) -> list[Picture]:
    if peer in (absent := available(builders.PEERS)[1]):
        pytest.skip(absent[peer])
    run(build.command(peer, gallery, output, scheme, 1))
    return sorted({"web": _tars, "mosaic": _mds, "img2": _tars}[peer](output))


@pytest.mark.parametrize("peer", ["web", "mosaic"])
def test_formats_of_their_own_hold_every_crop_with_its_label(peer: str, gallery: Path, tmp_path: Path) -> None:
    scheme = parse_scheme("crop64x16")
    expected = [(each.label, crop.tobytes()) for each in paintings(gallery) for crop in cut(each, scheme)]
    assert _build(peer, gallery, tmp_path / "built", scheme.name) == sorted(expected)


def test_img2dataset_writes_a_square_of_every_painting_with_its_label(gallery: Path, tmp_path: Path) -> None:
    written = _build("img2", gallery, tmp_path / "built", "reshape256")
    assert [label for label, _ in written] == [0, 0, 0, 1, 1, 1]
    assert {len(pixels) for _, pixels in written} == {256 * 256 * 3}


def test_a_peer_that_fails_is_named_and_stops_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def command(contender: str, *_: object) -> list[str]:
        return [sys.executable, "-c", "raise SystemExit('no disk')" if contender == "tfds" else "pass"]

    monkeypatch.setattr(build, "command", command)
    trial = build.Trial(tmp_path, 1, {})
    assert trial.build("tfds", tmp_path, build.CROPS) is None
    assert trial.not_run == {"tfds": "no disk"}
    assert trial.build("beam", tmp_path, build.CROPS) is not None
