"""A scheme that is one file goes all the way: paintings of many sizes, each with as many windows as it holds."""

from pathlib import Path

import numpy as np
import pytest
from absl.flags import FlagValues
from PIL import Image

from pipeline.dataset.dataset import Dataset
from pipeline.verify import verify
from tests.end_to_end import builds
from trainer import main
from trainer.config import define_flags
from trainer.judging.predictions import read_paintings
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
    given = FlagValues()
    define_flags(given)
    flags = ("--backbone=ResNet8", "--epochs=1", "--batch_size=8", "--warmup=0", "--augment=none", "--shuffle_mib=4")
    given(["train", f"--dataset_dir={dataset.folder}", f"--run_dir={folder}", *flags])
    main.run(main.config_from_flags(given))
    judged = RunFolder(folder)
    wanted = {row["painting_id"]: row["records"] for row in rows if row["split"] == "test"}
    tested = read_paintings(judged, "test")
    assert dict(zip(tested.ids, tested.crops.tolist(), strict=True)) == wanted
    results = judged.read_results()
    assert results["dataset"]["records"]["test"] == sum(wanted.values())
    assert results["dataset"]["paintings"]["test"] == len(wanted)
    assert judged.report.is_file()
    # Voting and maps of such a run: tests/trainer/test_grid.py.
