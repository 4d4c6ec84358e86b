"""--train=head_then_all, --thaw and --backbone_rate: a pretrained backbone, nudged."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from pipeline.dataset.dataset import Dataset
from pipeline.errors import InputError
from tests.trainer.training.test_head import config
from trainer.data.draws import draw_chances
from trainer.data.evaluation import evaluation_batches
from trainer.network.models import Network, build
from trainer.run.folder import RunFolder
from trainer.training.run import Run, assemble

TUNED = {"train": "head_then_all", "epochs": 1, "warmup": 0.0, "batch_size": 32, "ema": 0.0, "augment": "none"}


def assembled(dataset: Path, folder: Path, weights: Path, **changes: object) -> Run:
    return assemble(config(dataset, folder, weights, **{**TUNED, **changes}), RunFolder(folder), Dataset.open(dataset))


def step(run: Run) -> None:
    """One update, on the first training records."""
    batch = next(iter(evaluation_batches(run.stream.dataset, "train", 32)))
    targets = np.eye(run.design.classes, dtype=np.float32)[batch["label"]]
    given = (keras.ops.convert_to_tensor(batch["image"]), targets, draw_chances(0, 0, 32))
    run.steps.train(given, (False, False), False, 1, True)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def held(network: Network) -> dict[str, np.ndarray]:
    return {variable.path: np.array(variable.numpy()) for variable in network.backbone.variables}


def test_it_starts_from_a_head_that_knows_the_artists(judged_dataset: Path, tmp_path: Path, weights: Path) -> None:
    run = assembled(judged_dataset, tmp_path / "run", weights)
    batch = next(iter(evaluation_batches(run.stream.dataset, "train", 1000)))
    scores = np.asarray(run.network.model(batch["image"]))
    assert (scores.argmax(axis=1) == batch["label"]).mean() > 0.7


def test_layers_below_stay_as_loaded_batchnorm_at_rest(judged_dataset: Path, tmp_path: Path, weights: Path) -> None:
    run = assembled(judged_dataset, tmp_path / "run", weights, thaw=0.4)
    before = held(run.network)
    thawed = {variable.path for variable in run.network.thawed(0.4)}
    assert 0 < len(thawed) < len(run.network.backbone.trainable_variables)
    step(run)
    after = held(run.network)
    assert {name for name, value in after.items() if (value != before[name]).any()} == thawed


def test_the_backbone_goes_a_tenth_of_the_way(judged_dataset: Path, tmp_path: Path, weights: Path) -> None:
    moved = {}
    for rate in (1.0, 0.1):
        run = assembled(judged_dataset, tmp_path / f"run{rate}", weights, backbone_rate=rate)
        before, head = held(run.network), run.network.head.get_weights()[0]
        step(run)
        kernel = next(variable.path for variable in run.network.thawed(0.5) if len(variable.shape) > 1)
        moved[rate] = held(run.network)[kernel] - before[kernel], run.network.head.get_weights()[0] - head
    np.testing.assert_allclose(moved[0.1][0], 0.1 * moved[1.0][0], rtol=2e-2, atol=1e-6)
    np.testing.assert_allclose(moved[0.1][1], moved[1.0][1], rtol=1e-3, atol=1e-6)


def test_all_of_a_backbone_is_thawed_or_none() -> None:
    from trainer.network.models import Design

    network = build(Design("MobileNetV3Small", 32, 32, 3, 0.0, grayscale=False))
    assert {id(v) for v in network.thawed(1.0)} == {id(v) for v in network.backbone.trainable_variables}
    assert network.thawed(0.0) == []


@pytest.mark.parametrize("changes", [{"thaw": 0.5}, {"backbone_rate": 0.1}, {"train": "head_then_all"}])
def test_what_was_not_loaded_cannot_be_spared(changes: dict, judged_dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="loads nothing"):
        config(judged_dataset, tmp_path, "none", **{"train": "all", **changes})
