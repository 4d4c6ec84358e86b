"""Training in this process, a few steps at a time. Killing a process is tests/end_to_end/test_training.py's matter."""

from __future__ import annotations

import json
import logging
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipeline.dataset.dataset import Dataset
from pipeline.terminal.progress import Progress
from tests.datasets import make_dataset
from tests.trainer.test_main import config
from trainer.config import Config
from trainer.data import blocks, stream
from trainer.errors import InterruptedRunError, NotFiniteError
from trainer.network.backbones import BACKBONES, Backbone
from trainer.run.folder import RunFolder
from trainer.training import checkpoint, loop, preflight, run
from trainer.training.counters import Counters
from trainer.training.interrupts import Interrupts
from trainer.training.line import input_bound
from trainer.training.loop import train
from trainer.training.run import Run, restore


def tiny(include_top: bool, weights: str | None, input_shape: tuple[int, int, int]) -> keras.Model:
    """A backbone with all that makes resuming hard, BatchNorm and dropout, that compiles in a second."""
    pixels = keras.Input(input_shape)
    seen = keras.layers.Conv2D(8, 3, strides=4, use_bias=False)(keras.layers.Rescaling(1 / 255)(pixels))
    seen = keras.layers.ReLU()(keras.layers.BatchNormalization()(seen))
    seen = keras.layers.DepthwiseConv2D(3)(keras.layers.Dropout(0.1)(seen))
    return keras.Model(pixels, keras.layers.BatchNormalization()(seen))


@pytest.fixture(scope="module", autouse=True)
def tiny_backbone() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(BACKBONES, "MobileNetV3Small", Backbone(f"{__name__}:tiny", "own", "none", 1.0))
        yield


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("data"), paintings=40, scheme="crop32x4", weights=(5, 3, 2, 2))


def small(dataset: Path, run: Path, **changes: object) -> Config:
    settings = {"backbone": "MobileNetV3Small", "batch_size": 16, "epochs": 2, "ema": 0.9, "augment": "none"}
    return config(dataset_dir=str(dataset), run_dir=str(run), **{**settings, **changes})


def assemble(config: Config) -> Run:
    Path(config.run_dir).mkdir(exist_ok=True)
    return run.assemble(config, RunFolder(config.run_dir), Dataset.open(config.dataset_dir))


def first_batch(run: Run) -> stream.Batch:
    return next(stream.training_batches(run.stream, 0))


def step(run: Run, batch: stream.Batch, frozen: bool = False) -> float:
    return run.steps.train(batch, (False, False), frozen, 1, True).loss


def stop_after(monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    """As if SIGTERM came during the `steps`-th step of this process."""
    show = loop.show
    shown = 0

    def counting(line: Progress, at: Counters) -> None:
        nonlocal shown
        shown += 1
        show(line, at)
        if shown == steps:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(loop, "show", counting)


def digest(run_dir: Path) -> dict[str, bytes]:
    found = checkpoint.newest(run_dir / "checkpoints")
    assert found is not None
    return {name: array.tobytes() for name, array in found.arrays.items()}


def test_a_run_stopped_across_thawing_accumulation_and_loss_scaling_ends_with_the_same_weights(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny(False, None, (32, 32, 3)).save_weights(tmp_path / "backbone.weights.h5")
    changes = {
        "weights": str(tmp_path / "backbone.weights.h5"),
        "freeze_epochs": 1,
        "accumulate_steps": 3,
        "precision": "mixed_float16",
        "class_balance": "weights",
        "l2": 1e-4,
        "optimizer": "sgd",
        "learning_rate": 0.05,
        "weight_decay": 1e-4,
    }
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    for folder in (whole, stopped):
        folder.mkdir()
    train(small(dataset, whole, **changes), RunFolder(whole), Dataset.open(dataset))
    for steps in (5, 6):
        with monkeypatch.context() as patched:
            stop_after(patched, steps)
            with pytest.raises(InterruptedRunError, match="Run the same command again"):
                train(small(dataset, stopped, **changes), RunFolder(stopped), Dataset.open(dataset))
    train(small(dataset, stopped, **changes), RunFolder(stopped), Dataset.open(dataset))
    assert digest(stopped) == digest(whole)

    saved = checkpoint.newest(stopped / "checkpoints")
    assert saved is not None
    run = assemble(small(dataset, stopped, **changes))
    restore(run)
    scale = next(variable for variable in run.optimizer.variables if variable.name == "dynamic_scale")
    name = next(name for name, variable in run.variables() if variable is scale)
    assert float(saved.arrays[name]) == float(scale.numpy()) > 1


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_trains_with_a_finite_loss(dataset: Path, tmp_path: Path, precision: str) -> None:
    run = assemble(small(dataset, tmp_path, precision=precision))
    batch = first_batch(run)
    losses = [step(run, batch) for _ in range(3)]
    assert np.isfinite(losses).all()
    assert run.network.logits(batch[0], frozen=False).dtype == tf.float32


def test_a_loss_that_is_not_finite_names_its_step_and_leaves_the_last_good_state(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = loop.training_batches

    def poisoned(*args: object) -> Iterator[stream.Batch]:
        for number, (images, targets, chances) in enumerate(batches(*args)):  # type: ignore[arg-type]
            yield images, targets * np.nan if number == 4 else targets, chances

    monkeypatch.setattr(loop, "training_batches", poisoned)
    with pytest.raises(
        NotFiniteError, match=r"at step 5 \(epoch 1, batch 5\); the last good state is .*step-0000000004"
    ):
        train(small(dataset, tmp_path, checkpoint_every="2"), RunFolder(tmp_path), Dataset.open(dataset))
    good = checkpoint.newest(tmp_path / "checkpoints")
    assert good is not None
    assert good.state["progress"]["step"] == 4
    assert all(np.isfinite(array).all() for array in good.arrays.values())


def test_l2_acts_on_the_backbone(dataset: Path, tmp_path: Path) -> None:
    """With a weight of 1e3, the penalty is all there is, and every kernel of the backbone shrinks."""
    run = assemble(small(dataset, tmp_path, l2=1e3, optimizer="sgd", learning_rate=1e-5, warmup=0.0, clip_norm=0.0))
    kernels = [v for v in run.network.backbone.trainable_variables if len(v.shape) > 1]
    before = [np.linalg.norm(variable.numpy()) for variable in kernels]
    step(run, first_batch(run))
    after = [np.linalg.norm(variable.numpy()) for variable in kernels]
    assert all(new < 0.99 * old for new, old in zip(after, before, strict=True))


def test_a_frozen_step_moves_the_head_alone(dataset: Path, tmp_path: Path) -> None:
    run = assemble(small(dataset, tmp_path))
    backbone = [variable.numpy() for variable in run.network.backbone.weights]
    head = [variable.numpy() for variable in run.network.head.trainable_variables]
    step(run, first_batch(run), frozen=True)
    assert all((v.numpy() == old).all() for v, old in zip(run.network.backbone.weights, backbone, strict=True))
    assert all((v.numpy() != old).any() for v, old in zip(run.network.head.trainable_variables, head, strict=True))


def test_accumulated_batches_make_one_update_of_their_mean_gradient(dataset: Path, tmp_path: Path) -> None:
    """Plain SGD; the backbone frozen, as BatchNorm would tell the two batches from the one."""
    common = {"optimizer": "sgd", "clip_norm": 0.0, "dropout": 0.0, "warmup": 0.0, "weight_decay": 0.0}
    heads = []
    for folder, changes in (("one", {}), ("two", {"accumulate_steps": 2})):
        run = assemble(small(dataset, tmp_path / folder, **common, **changes))
        batch = first_batch(run)
        halves = [tuple(each[part] for each in batch) for part in (slice(8), slice(8, None))]
        parts = [batch] if folder == "one" else halves
        for number, part in enumerate(parts, 1):
            run.steps.train(part, (False, False), True, number, number == len(parts))
        heads.append([variable.numpy() for variable in run.network.head.trainable_variables])
    for one, two in zip(*heads, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-7)


def test_the_average_follows_the_weights(dataset: Path, tmp_path: Path) -> None:
    run = assemble(small(dataset, tmp_path, ema=0.5))
    assert run.average is not None
    before = [variable.numpy() for variable in run.average.model.weights]
    step(run, first_batch(run))
    # After the first update the decay is min(0.5, 2 / 11).
    for average, old, weight in zip(run.average.model.weights, before, run.network.model.weights, strict=True):
        np.testing.assert_allclose(average.numpy(), old + (weight.numpy() - old) * 9 / 11, rtol=1e-4, atol=1e-6)


def test_early_stop_counts_epochs_and_survives_a_second_start(dataset: Path, tmp_path: Path) -> None:
    changes = {"epochs": 6, "early_stop": 1, "learning_rate": 1e-8, "ema": 0.0, "schedule": "constant"}
    train(small(dataset, tmp_path, **changes), RunFolder(tmp_path), Dataset.open(dataset))
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert len(lines) < 6
    train(small(dataset, tmp_path, **changes), RunFolder(tmp_path), Dataset.open(dataset))
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == len(lines)
    ranks = [(line["validation_painting_top1"], -line["validation_painting_loss"]) for line in lines]
    assert max(ranks) == ranks[-2]


def test_too_large_a_run_is_refused_before_its_first_step(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(preflight, "available_host", lambda: 750 << 20)
    with pytest.raises(preflight.OutOfMemoryError, match=r"needs about \d+ MiB of host memory .* Lower --batch_size"):
        assemble(small(dataset, tmp_path, batch_size=64, input_size=1024))
    with caplog.at_level(logging.WARNING):
        assemble(small(dataset, tmp_path))
    assert "If it is killed for memory" in caplog.text


def test_device_memory_is_held_against_the_device() -> None:
    wanted = preflight.Estimate(process=700, shuffle=100, batches=10, pictures=1, weights=2000, activations=3000)
    assert preflight.check(wanted, host=2000, device=10_000) == ""
    with pytest.raises(preflight.OutOfMemoryError, match="device memory"):
        preflight.check(wanted, host=2000, device=4000)
    with pytest.raises(preflight.OutOfMemoryError, match="host memory"):
        preflight.check(wanted, host=2000, device=None)


def test_being_input_bound_is_said_with_what_was_waited_for_and_the_flags_to_turn(dataset: Path) -> None:
    flow = stream.Stream(Dataset.open(dataset), 16, 256, 0, side=16, resized_crop=True)
    reading, making = stream.Waits(reading=2.0, making=1.0), stream.Waits(reading=1.0, making=2.0)
    assert input_bound(0.02, making, flow, 256) == ""
    said = input_bound(0.4, reading, flow, 256)
    assert "40% of the time" in said
    assert "records to be read" in said
    assert "--shuffle_mib=256" in said
    said = input_bound(0.4, making, flow, 256)
    assert "pictures to be decoded" in said
    assert "more cores than" in said
    assert "16 px" in said
    assert "--random_resized_crop" in said


def test_a_wait_is_known_by_its_cause(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flow = stream.Stream(Dataset.open(dataset), 16, 256, 0, side=16)
    for module, name, cause in ((stream, "fill_pictures", "making"), (blocks, "locate", "reading")):
        quick = getattr(module, name)

        def slow(*given: object, quick: Any = quick) -> Any:
            time.sleep(0.3)
            return quick(*given)

        waits = stream.Waits()
        with monkeypatch.context() as patched:
            patched.setattr(module, name, slow)
            next(stream.training_batches(flow, 0, waits=waits))
        other = {"making": "reading", "reading": "making"}[cause]
        assert getattr(waits, cause) > getattr(waits, other)


def test_a_second_signal_acts() -> None:
    with Interrupts() as interrupts:
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupts.signal == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
