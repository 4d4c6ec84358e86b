"""EfficientNet-Lite, held against the features that its PyTorch original gives."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from pipeline.errors import InputError
from trainer.network import pretrained
from trainer.network.efficientnet_lite import EfficientNetLite0, EfficientNetLite2, assign


@pytest.mark.parametrize(
    ("build", "layers", "weights"), [(EfficientNetLite0, 98, 3_413_024), (EfficientNetLite2, 128, 4_869_168)]
)
def test_the_networks_have_the_layers_of_their_originals(build, layers: int, weights: int) -> None:
    model = build(False, None, (64, 64, 3))
    assert sum(bool(layer.weights) for layer in model.layers) == layers
    assert model.count_params() == weights
    assert model.output_shape == (None, 2, 2, 1280)


def tensors_of(model: keras.Model) -> dict[str, np.ndarray]:
    """What a PyTorch file of that network would hold: the inverse of `assign`."""
    found = {}
    for layer in model.layers:
        if layer.weights:
            name = layer.name.replace("-", ".")
            values = [np.asarray(variable) for variable in layer.weights]
            if isinstance(layer, keras.layers.BatchNormalization):
                found |= {
                    f"{name}.{suffix}": value
                    for suffix, value in zip(("weight", "bias", "running_mean", "running_var"), values, strict=True)
                }
            else:
                depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
                found[f"{name}.weight"] = values[0].transpose((2, 3, 0, 1) if depthwise else (3, 2, 0, 1))
    return found


def test_tensors_are_assigned_by_name_and_those_of_another_network_refused() -> None:
    one, other = (EfficientNetLite0(False, None, (32, 32, 3)) for _ in range(2))
    tensors = tensors_of(one)
    assign(other, tensors)
    pixels = np.random.default_rng(0).normal(size=(1, 32, 32, 3)).astype(np.float32)
    np.testing.assert_array_equal(one(pixels, training=False), other(pixels, training=False))
    before = [np.array(value) for value in other.get_weights()]
    for wrong in ({}, {**tensors, "_conv_stem.weight": np.zeros((32, 3, 5, 5), np.float32)}):
        with pytest.raises(InputError, match="not the weights of efficientnet_lite0"):
            assign(other, wrong)
    for value, then in zip(other.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, then)


def installed(name: str) -> bool:
    try:
        pretrained.find_file(name)
    except InputError:
        return False
    return True


# Means over places of every 64th feature of `waves(96)`, by PyTorch 2.13 and efficientnet_lite_pytorch 0.1.0.
ORIGINALS = {
    "EfficientNetLite0": (
        *(0, 0.188139, 1.678417, 0, 1.550555, 0, 1.774642, 0, 0.849276, 0),
        *(0, 0, 0, 0.110684, 0, 0, 0.008554, 1.811797, 0, 0),
    ),
    "EfficientNetLite2": (
        *(0, 0, 1.862520, 0, 2.326974, 1.456642, 0, 0, 0.494993, 0),
        *(3.057872, 0, 0.023549, 0.370877, 0.375609, 0, 0.085064, 1.103688, 0, 0.231776),
    ),
}


def waves(side: int) -> np.ndarray:
    """float32[1, side, side, 3] in -1 .. 1."""
    y, x, channel = np.meshgrid(np.linspace(0, 9, side), np.linspace(0, 7, side), np.arange(3), indexing="ij")
    return np.sin(x * (1 + channel) + np.cos(y * 2) * channel).astype(np.float32)[None]


@pytest.mark.parametrize(
    ("name", "build"), [("EfficientNetLite0", EfficientNetLite0), ("EfficientNetLite2", EfficientNetLite2)]
)
def test_pretrained_features_are_those_of_the_original(name: str, build, tmp_path: Path, monkeypatch) -> None:
    if not installed(name):
        pytest.skip("the extra [pretrained] is not installed")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    seen = []
    for _ in range(2):  # from the package's file, then from the cache
        model = build(False, None, (96, 96, 3))
        pretrained.load(model, name, assign)
        seen.append(np.asarray(model(waves(96), training=False)))
    np.testing.assert_array_equal(*seen)
    np.testing.assert_allclose(seen[0].mean(axis=(1, 2))[0, ::64], ORIGINALS[name], atol=2e-5)


def test_a_package_that_is_missing_or_changed_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(pretrained.PACKAGES, "None", pretrained.Package("no_such_package", "a.pth", ""))
    with pytest.raises(InputError, match=r"pip install 'morelli\[pretrained\]'"):
        pretrained.find_file("None")
    (tmp_path / "changed_package").mkdir()
    (tmp_path / "changed_package" / "__init__.py").write_text("raise RuntimeError('no code of a package is run')")
    (tmp_path / "changed_package" / "a.pth").write_bytes(b"other bytes")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(pretrained.PACKAGES, "Changed", pretrained.Package("changed_package", "a.pth", "0" * 64))
    with pytest.raises(InputError, match="not the file that is known"):
        pretrained.find_file("Changed")
