"""python -m trainer.main as a user runs it: killed, preempted, continued, refused."""

from __future__ import annotations

import hashlib
import json
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.datasets import make_dataset
from tests.end_to_end.trainings import STEPS, finish, newest_step, start, wait_for_step
from trainer.training import checkpoint


def weights_digest(run: Path) -> str:
    """Of every variable in the last checkpoint: weights, average, optimiser, dropout's generators."""
    found = checkpoint.newest(run / "checkpoints")
    assert found is not None
    digest = hashlib.sha256()
    for name in sorted(found.arrays):
        digest.update(name.encode() + found.arrays[name].tobytes())
    return digest.hexdigest()


def learned(run: Path) -> list[dict[str, float]]:
    """metrics.jsonl without what the clock decides."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    clock = {"seconds", "examples_per_second", "step_seconds", "data_wait_fraction", "peak_rss_mib"}
    return [{name: value for name, value in line.items() if name not in clock} for line in lines]


def disturbances(chance: random.Random) -> Iterator[tuple[str, int]]:
    """What is done to the run, and how many steps after its start."""
    yield "SIGKILL and a torn checkpoint", chance.randint(4, 10)
    yield "SIGTERM", chance.randint(6, 10)


@pytest.mark.timeout(900)  # a dozen starts of TensorFlow, one after the other
def test_a_run_killed_again_and_again_ends_with_the_very_weights_of_an_undisturbed_one(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = random.SystemRandom().randrange(2**32)
    chance = random.Random(seed)
    said = [f"seed of the moments: {seed}"]

    disturbed = tmp_path / "disturbed"
    for what, after in disturbances(chance):
        process = start(dataset, disturbed)
        wait_for_step(process, disturbed, newest_step(disturbed) + after)
        time.sleep(chance.random() * 0.2)
        if what == "SIGTERM":
            process.send_signal(signal.SIGTERM)
            code, _, err = finish(process)
            assert code == 128 + signal.SIGTERM, err
            assert "Run the same command again" in err
        else:
            process.kill()
            process.communicate()
        at = newest_step(disturbed)
        said.append(f"{what} with step {at} (epoch {at // STEPS + 1}) saved")
        if "torn" in what:
            torn = checkpoint.newest_path(disturbed / "checkpoints")
            assert torn is not None
            torn.write_bytes(torn.read_bytes()[:-1000])
    code, out, err = finish(start(dataset, disturbed))
    assert code == 0, err
    assert f"Resuming from step {at}:" in out  # the one SIGTERM left

    undisturbed = tmp_path / "undisturbed"
    code, _, err = finish(start(dataset, undisturbed))
    assert code == 0, err
    assert newest_step(disturbed) == newest_step(undisturbed) == 2 * STEPS
    said += [f"disturbed:   {weights_digest(disturbed)}", f"undisturbed: {weights_digest(undisturbed)}"]
    with capsys.disabled():
        print("", *said, sep="\n  ")
    assert weights_digest(disturbed) == weights_digest(undisturbed)
    assert learned(disturbed) == learned(undisturbed)

    check_what_a_run_leaves(undisturbed)
    check_refusals(dataset, undisturbed, tmp_path)


def check_what_a_run_leaves(run: Path) -> None:
    """The rest of this file's claims about a finished run are made on the one above: a run costs half a minute."""
    import keras

    for name in ("best.keras", "last.keras"):
        model = keras.models.load_model(run / name)
        pictures = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
        scores = np.asarray(model(pictures))
        assert scores.shape == (3, 4)
        assert scores.dtype == np.float32
        np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-5)
    labels = json.loads((run / "labels.json").read_text())
    assert len(labels["labels"]) == 4
    results = json.loads((run / "results.json").read_text())
    assert 0 <= results["test"]["painting"]["top1"] <= 1
    assert results["throughput"]["examples_per_second"] > 0
    for name in ("flags.txt", "run.json", "predictions.parquet", "report.html", "learning_curves.png"):
        assert (run / name).stat().st_size, name
    assert list((run / "tensorboard").glob("events.*"))


def check_refusals(dataset: Path, run: Path, tmp_path: Path) -> None:
    other = make_dataset(tmp_path / "other", paintings=40, scheme="crop32x4", seed=1, weights=(9, 5, 3, 1))
    code, _, err = finish(start(other, run, "--dropout=0.5"))
    assert code == 1
    assert "dropout was 0.3, now 0.5" in err
    assert "fingerprint was" in err
    assert "Traceback" not in err
