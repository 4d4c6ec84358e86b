"""The benchmarks compare equals: every builder and reader handles every crop once, and who is missing is named."""

from __future__ import annotations

import importlib
import json
import sys
from importlib import metadata
from pathlib import Path
from xml.etree import ElementTree

import keras
import numpy as np
import pytest
from PIL import Image

from benchmarks import all as together
from benchmarks import builders, charts, feeders, read, readers, recipe, restart, synthetic
from benchmarks.builders.pictures import cut, paintings
from benchmarks.measure import NAMES, Failed, available, run
from pipeline.atelier.gallery import counts
from pipeline.dataset.schemes import parse_scheme
from tests import forked
from tests.datasets import make_dataset
from trainer.series.recipe import read as read_recipe

SCHEME = parse_scheme("crop64x16")


def installed(distribution: str) -> bool:
    try:
        metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gallery")
    for number in range(6):
        pixels = np.random.default_rng(number).integers(0, 256, (100, 120, 3), np.uint8)
        path = folder / f"Artist {number % 2}" / f"{number}.jpg"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(path)
    return folder


def test_a_painting_is_cut_as_the_scheme_says_and_alike_for_every_peer(gallery: Path) -> None:
    found = paintings(gallery)
    assert sorted(painting.label for painting in found) == [0, 0, 0, 1, 1, 1]
    first, again = cut(found[0], SCHEME), cut(found[0], SCHEME)
    assert np.shape(first) == (16, 64, 64, 3)
    np.testing.assert_array_equal(first, again)
    assert np.shape(cut(found[0], parse_scheme("reshape256"))) == (1, 256, 256, 3)


@pytest.mark.parametrize("peer", [readers.OURS, *(name for name in readers.PEERS if name != "tfds")])
def test_readers_give_every_crop_once_an_epoch_with_its_label(peer: str, tmp_path: Path) -> None:
    distribution = readers.PEERS.get(peer, ("", "tensorflow"))[1]
    if not (distribution == "tensorflow" or installed(distribution)) or (
        peer in ("web", "mosaic") and not installed("torch")
    ):
        pytest.skip(f"{distribution} of the extra [benchmarks] is not installed")
    make_dataset(tmp_path, paintings=20, scheme="crop32x4").rename(tmp_path / "dataset")
    done = forked.run("tests.benchmarks.reading", peer, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["True", "True"]


def test_a_peer_that_is_not_installed_is_named() -> None:
    versions, absent = available({"pool": ("a process pool", "numpy"), "absent": ("nobody", "no-such-distribution")})
    assert versions == {"numpy": np.__version__}
    assert list(absent) == ["absent"]
    assert "no-such-distribution is not installed" in absent["absent"]


def test_a_command_that_fails_says_what_it_said_last() -> None:
    with pytest.raises(Failed) as failed:
        run([sys.executable, "-c", "import sys; print('x' * 10**6, file=sys.stderr); sys.exit('no room')"])
    assert failed.value.reason == "no room"


def test_a_kill_is_described_by_what_it_left() -> None:
    whole = {"a": (10, 1), "b": (10, 1), "c": (10, 1)}
    killed = {"a": (10, 2), "b": (4, 2), "c.partial": (1, 2)}
    end = {"a": (10, 2), "b": (10, 3), "c": (10, 3), "c.partial": (1, 2)}
    said = restart.describe(killed, whole, end, None)
    assert said == "1 of 3 files are kept; 1 cut off under a final name; 1 left over"


def test_every_peer_has_a_name_and_a_module() -> None:
    for package in (builders, readers, feeders):
        for peer in package.PEERS:
            assert NAMES[peer]
            assert importlib.util.find_spec(f"{package.__name__}.{peer}")


def test_charts_and_targets_come_from_the_results(tmp_path: Path) -> None:
    def speed(**rates: list[float]) -> dict[str, dict[str, list[float]]]:
        return {
            name: {
                "rates": some,
                "ours_is": [own / rate for own, rate in zip(rates["morelli"], some, strict=True)],
                "of_limit": [rate / 400 for rate in some],
            }
            for name, some in rates.items()
        }

    built = speed(limit=[400, 400], morelli=[200, 210], writing=[300, 310], tfds_beam=[50, 60], afternoon=[250, 240])
    results = {
        "build": {
            "speed": {"crop64x16": built},
            "memory": {"morelli": {"1000": 400, "4000": 402}, "beam": {"1000": 700, "4000": 1500}},
        }
    }
    results = json.loads(json.dumps(results))
    [bars, curves] = charts.draw(results, tmp_path)
    texts = [" ".join(ElementTree.parse(path).getroot().itertext()) for path in (bars, curves)]
    assert all(name in texts[0] for name in ("morelli", "TFDS on Beam", "limit 400"))
    assert "Beam, WriteToTFRecord, 1,500" in texts[1]
    before = bars.read_bytes()
    charts.draw(results, tmp_path)
    assert bars.read_bytes() == before
    assert [holds for _, _, holds in together.targets(results)] == [False, True, False, True]


@pytest.mark.parametrize("name", recipe.CONTENDERS)
def test_every_contender_is_a_recipe_that_can_be_run(name: str, tmp_path: Path) -> None:
    contender = recipe.CONTENDERS[name]
    words = contender.command(160, 0, Path("datasets"), tmp_path / "run")
    changes = [word for word in words if word.startswith("--") and not word.startswith("--flagfile=")]
    path = tmp_path / "contender.flags"
    path.write_text("\n".join([(recipe.RECIPES / contender.recipe).read_text(), *changes]))
    assert read_recipe(path).scheme.name == contender.dataset
    shown = {"crop64x16": "--epochs=10", "reshape160": "--epochs=160"}
    assert ("--epochs=21" if name == recipe.ORIGINAL else shown[contender.dataset]) in words


def test_the_gallery_that_is_read_can_be_painted() -> None:
    assert sum(counts(read.PAINTINGS).values()) == read.PAINTINGS


@pytest.mark.parametrize("peer", [feeders.OURS, feeders.LIMIT, *feeders.PEERS])
def test_feeders_give_batches_of_the_size_that_is_asked_for(peer: str, tmp_path: Path) -> None:
    distribution = feeders.PEERS.get(peer, ("", "tensorflow"))[1]
    if not installed(distribution) or (peer == "torch_loader" and not installed("torch")):
        pytest.skip(f"{distribution} of the extra [benchmarks] is not installed")
    if peer == "keras_layers" and not hasattr(keras.layers, "CutMix"):
        pytest.skip(f"Keras {keras.__version__} has no layers that mix and erase")
    folder = synthetic.make(tmp_path / "data", 60, "crop64x2", 2, "jpeg")
    done = forked.run("tests.benchmarks.feeding", peer, folder, "windows")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == ("(8,)" if peer == feeders.LIMIT else "(8, 32, 32, 3) (8, 50)")
