"""What a GPU would be asked, in form, on a CPU."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks import gpu, synthetic
from tests import forked


def test_without_a_gpu_it_says_so_and_how_to_see_its_form() -> None:
    done = forked.run("benchmarks.gpu")
    assert done.returncode == 1
    assert "sees no GPU" in done.stderr
    assert "--cpu" in done.stderr


def test_steps_are_streamed_and_taken_from_memory(tmp_path: Path) -> None:
    folder = synthetic.make(tmp_path / "data", 60, "crop64x1", 2, "jpeg")
    flags = ("--backbone=ResNet8", "--batch_size=8", "--input_size=32", "--augment=strong", "--random_resized_crop")
    where = (f"--dataset_dir={folder}", f"--run_dir={tmp_path / 'run'}")
    done = forked.run("benchmarks.gpu", "--steps=2", "--one", *where, *flags)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen["precision"] == "float32"
    assert seen["streamed"] > 0
    assert seen["held"] > 0
    assert 0 <= seen["waited_reading"] + seen["waited_decoding"] <= 1
    assert seen["peak_mib"] is None
    assert seen["estimated_mib"] > 1
    assert gpu._row("one", seen)[0] == "one"


def test_a_recipe_that_fails_is_a_line_of_the_table() -> None:
    assert gpu._row("one", {"failed": "no memory"})[1] == "failed: no memory"
