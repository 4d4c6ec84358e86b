"""A scheme that is one file goes all the way: paintings of many sizes, each with as many windows as it holds."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.dataset.dataset import Dataset
from pipeline.verify import verify
from tests.end_to_end import builds
from trainer.judging.predictions import count_crops
from trainer.run.folder import RunFolder

SIZES = ((32, 32), (64, 33), (97, 70), (20, 50))
WINDOWS = {(32, 32): 1, (64, 33): 2, (97, 70): 6, (20, 50): 1}  # of 32 x 32 pixels


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gallery")
    rng = np.random.default_rng(1)
    for number, artist in enumerate(("Ada", "Bela")):
        (folder / artist).mkdir()
        for index in range(12):
            width, height = SIZES[index % len(SIZES)]
            pixels = rng.integers(0, 200, (height, width, 3), np.uint8)
            pixels[..., number] += 50
            Image.fromarray(pixels).save(folder / artist / f"{index}.png")
    return folder


def run(module: str, *arguments: object) -> str:
    command = [sys.executable, "-m", module, *map(str, arguments)]
    done = subprocess.run(command, cwd=builds.ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_grid_is_built_verified_learned_from_judged_and_mapped(gallery: Path, tmp_path: Path):
    printed = builds.build(gallery, tmp_path / "datasets", "--grid=32", "--workers=1")
    dataset = Dataset.open(tmp_path / "datasets" / "grid32")
    rows = list(dataset.paintings("width", "height", "records", "painting_id", "split"))
    assert len(rows) == 24
    assert all(row["records"] == WINDOWS[row["width"], row["height"]] for row in rows)
    assert f"grid32: {sum(row['records'] for row in rows)} records" in printed
    assert "6 paintings enlarged" in printed
    assert list(verify(dataset)) == []

    folder = tmp_path / "run"
    flags = ("--backbone=ResNet8", "--epochs=1", "--batch_size=8", "--warmup=0", "--augment=none", "--shuffle_mib=4")
    run("trainer.main", f"--dataset_dir={dataset.folder}", f"--run_dir={folder}", *flags)
    judged = RunFolder(folder)
    wanted = Counter({row["painting_id"]: row["records"] for row in rows if row["split"] == "test"})
    assert count_crops(judged, "test") == wanted
    results = json.loads(judged.results.read_text())
    assert results["dataset"]["records"]["test"] == wanted.total()
    assert results["dataset"]["paintings"]["test"] == len(wanted)
    assert judged.report.is_file()
    assert "test" in run("trainer.evaluate", f"--run_dir={folder}", "--split=test")

    picture = gallery / "Ada" / "2.png"
    assert "Ada" in run("trainer.predict", f"--run_dir={folder}", f"--map={tmp_path / 'maps'}", picture)
    assert [path.suffix for path in (tmp_path / "maps").iterdir()] == [".png"]
