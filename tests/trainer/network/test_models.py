from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from pipeline.errors import InputError
from tests import forked
from trainer.network import models
from trainer.network.backbones import BACKBONES
from trainer.network.models import Design

SMALL = Design("MobileNetV3Small", 32, 32, 4, 0.2, grayscale=False)


def pictures(size: int = 32) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (2, size, size, 3), np.uint8)


# A new backbone has its line here: who brings its ImageNet weights, and how much it computes beside MobileNet.
EXPECTED = {
    "ResNet8": ("none", 1.0),
    "MobileNet": ("keras", 1.0),
    "MobileNetV3Small": ("keras", 0.105),
    "EfficientNetLite0": ("package", 0.72),
    "EfficientNetLite2": ("package", 1.14),
    "EfficientNetV2B0": ("keras", 1.26),
    "ResNet50": ("keras", 6.8),
    "ConvNeXtTiny": ("keras", 7.9),
}


@pytest.mark.parametrize("name", BACKBONES)
def test_each_backbone_is_what_the_table_says(name: str) -> None:
    row, (pretrained, cost) = BACKBONES[name], EXPECTED[name]
    assert row.pretrained == pretrained
    assert row.cost / BACKBONES["MobileNet"].cost == pytest.approx(cost, rel=0.02)
    assert row.scaling in models._SCALINGS
    module, _, function = row.create.partition(":")
    assert callable(getattr(importlib.import_module(module), function))


def test_no_backbone_is_missing() -> None:
    assert EXPECTED.keys() == BACKBONES.keys()


def test_the_table_of_backbones_needs_no_tensorflow() -> None:
    script = (
        "import sys, trainer.network.backbones, trainer.config; assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


# One of each way to scale pixels, which is what a saved model carries of ours, and the one of mixed precision.
CHEAPEST = {
    min((name for name in BACKBONES if BACKBONES[name].scaling == scaling), key=lambda name: BACKBONES[name].cost)
    for scaling in {row.scaling for row in BACKBONES.values()}
} | {"MobileNet"}


def stand_in(monkeypatch: pytest.MonkeyPatch, *backbones: str) -> None:
    """Lets a small network take the place of these, with the pixels that are scaled for them."""
    create = models.create_backbone

    def create_small(name: str, **arguments: object) -> keras.Model:
        return create("ResNet8" if name in backbones else name, **arguments)

    monkeypatch.setattr(models, "create_backbone", create_small)


def test_saved_models_load_without_this_project_and_say_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Backbones of Keras are Keras's to save. What is scaled for one of them needs none of its hundreds of layers.
    stand_in(monkeypatch, "MobileNet", "MobileNetV3Small", "ResNet50")
    keras.utils.set_random_seed(0)
    expected = {}
    for backbone in CHEAPEST:
        design = Design(backbone, 32, 48, 4, 0.2, grayscale=backbone == "ResNet50")
        network = models.build(design, "mixed_bfloat16" if backbone == "MobileNet" else "float32")
        models.save(network.model, design, tmp_path / f"{backbone}.keras")
        expected[backbone] = np.asarray(network.model(pictures(), training=False))
    np.save(tmp_path / "pictures.npy", pictures())
    done = forked.run("tests.trainer.network.loading", tmp_path)
    assert done.returncode == 0, done.stderr
    for backbone, scores in expected.items():
        tolerance = 0.05 if backbone == "MobileNet" else 1e-5  # saved as float32, trained with half the digits
        np.testing.assert_allclose(np.load(tmp_path / f"{backbone}.npy"), scores, atol=tolerance)
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    ("backbone", "prepare"),
    [
        ("ResNet8", keras.applications.mobilenet.preprocess_input),
        ("MobileNet", keras.applications.mobilenet.preprocess_input),
        ("ResNet50", keras.applications.resnet50.preprocess_input),
        ("EfficientNetV2B0", keras.applications.efficientnet_v2.preprocess_input),
        ("ConvNeXtTiny", keras.applications.convnext.preprocess_input),
        ("MobileNetV3Small", keras.applications.mobilenet_v3.preprocess_input),
    ],
)
def test_each_backbone_gets_the_input_it_was_made_for(
    backbone: str, prepare: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(monkeypatch, backbone)
    network = models.build(Design(backbone, 32, 32, 4, 0.2, grayscale=False))
    at = next(operation for operation in network.model.operations if operation is network.backbone)
    before = keras.Model(network.model.inputs, at._inbound_nodes[0].input_tensors[0])
    seen = before.predict(pictures(), verbose=0)
    np.testing.assert_allclose(seen, prepare(pictures().astype(np.float32)), atol=1e-3)  # type: ignore[operator]


def test_grayscale_sees_no_colour() -> None:
    network = models.build(Design("MobileNetV3Small", 32, 32, 4, 0.0, grayscale=True))
    grey = np.full((1, 32, 32, 3), 150, np.uint8)
    tinted = np.full((1, 32, 32, 3), (200, 128, 131), np.uint8)  # BT.601 luma within 0.2 of 150
    grey_scores, tinted_scores = (network.model.predict(image, verbose=0) for image in (grey, tinted))
    np.testing.assert_allclose(grey_scores, tinted_scores, atol=1e-3)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_the_head_is_float32_under_every_policy(policy: str) -> None:
    network = models.build(SMALL, policy)
    assert network.backbone.output.dtype == policy.removeprefix("mixed_")
    for name in ("embedding", "logits", "scores"):
        assert network.model.get_layer(name).compute_dtype == "float32"
    assert network.model.output.dtype == "float32"
    assert keras.config.dtype_policy().name == "float32"


def test_a_frozen_backbone_keeps_its_statistics_while_the_other_does_not() -> None:
    network = models.build(SMALL)
    statistics = [v for v in network.backbone.non_trainable_variables if "moving_mean" in v.path]
    before = [variable.numpy() for variable in statistics]
    network.logits(pictures(), frozen=True)
    assert all((variable.numpy() == old).all() for variable, old in zip(statistics, before, strict=True))
    network.logits(pictures(), frozen=False)
    assert any((variable.numpy() != old).any() for variable, old in zip(statistics, before, strict=True))
    assert [variable.path for variable in network.trainable(head_only=True)] == ["logits/kernel", "logits/bias"]


def test_weights_of_a_backbone_without_top_are_loaded_from_a_file(tmp_path: Path) -> None:
    keras.utils.set_random_seed(1)
    source = keras.applications.MobileNetV3Small(include_top=False, weights=None, input_shape=(64, 64, 3))
    source.save_weights(tmp_path / "backbone.weights.h5")
    network = models.build(SMALL)
    models.load_backbone(network, SMALL.backbone, str(tmp_path / "backbone.weights.h5"))
    for mine, theirs in zip(network.backbone.weights, source.weights, strict=True):
        np.testing.assert_array_equal(mine.numpy(), theirs.numpy())


def test_weights_of_another_backbone_are_refused(tmp_path: Path) -> None:
    keras.applications.MobileNet(include_top=False, weights=None, input_shape=(32, 32, 3)).save_weights(
        tmp_path / "other.weights.h5"
    )
    with pytest.raises(InputError, match="does not hold the weights of MobileNetV3Small"):
        models.load_backbone(models.build(SMALL), SMALL.backbone, str(tmp_path / "other.weights.h5"))


def test_a_failed_download_says_what_to_pass(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))

    def fails(*args: object, **kwargs: object) -> None:
        raise Exception("URL fetch failure on https://example.org: None -- no network")  # as Keras raises it

    monkeypatch.setattr("keras.src.applications.mobilenet_v3.file_utils.get_file", fails)
    with pytest.raises(InputError, match=r"could not be downloaded.*--weights=FILE.*--weights=none"):
        models.load_backbone(models.build(SMALL), SMALL.backbone, "imagenet")


def test_crops_too_small_for_a_backbone_are_refused_with_the_flag() -> None:
    with pytest.raises(InputError, match="--input_size=32"):
        Design("MobileNet", 16, 16, 4, 0.0, grayscale=False)
