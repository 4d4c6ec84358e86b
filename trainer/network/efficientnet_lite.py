"""EfficientNet-Lite: EfficientNet for small machines, without squeeze-and-excitation and with ReLU6.

Tan and Le 2019 (arXiv:1905.11946), and https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite.
Layers are named as PyTorch's port of it names its tensors, so that weights are found by name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import keras
import numpy as np

from pipeline.errors import InputError

_EPSILON = 1e-3
_STEM, _HEAD = 32, 1280  # channels; the same in all sizes of the network


class _Stage(NamedTuple):
    """Blocks in a row: how many, their kernels' side, the first one's stride, how they widen, their channels."""

    repeats: int
    kernel: int
    stride: int
    expansion: int
    channels: int


_STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)


def EfficientNetLite0(  # noqa: N802  # named as the models of keras.applications are, and called in their place
    include_top: bool, weights: str | None, input_shape: tuple[int, int, int]
) -> keras.Model:
    """The smallest, 3.4 million weights: see `_build`."""
    return _build("efficientnet_lite0", 1.0, 1.0, include_top, weights, input_shape)


def EfficientNetLite2(  # noqa: N802
    include_top: bool, weights: str | None, input_shape: tuple[int, int, int]
) -> keras.Model:
    """A wider and deeper one, 4.8 million weights: see `_build`."""
    return _build("efficientnet_lite2", 1.1, 1.2, include_top, weights, input_shape)


def _build(
    name: str, width: float, depth: float, include_top: bool, weights: str | None, input_shape: tuple[int, int, int]
) -> keras.Model:
    """Builds a backbone, with random weights.

    Args:
      name: of the model.
      width, depth: factors of the channels and of the number of blocks.
      include_top: False: the head is not its own.
      weights: None: `assign` fills it.
      input_shape: height, width and 3, of pixels (p - 127) / 128.

    Returns:
      float32[batch, height, width, 3] -> [batch, height / 32, width / 32, 1280].

    Raises:
      InputError: a top or weights are asked for.
    """
    if include_top or weights is not None:
        raise InputError(f"{name} is built without a top, and filled from its package's file.")
    pixels = keras.Input(input_shape)
    features = _activated(_normalised(_convolution(_STEM, 3, 2, "_conv_stem")(pixels), "_bn0"))
    number = 0
    for stage in _STAGES:
        edge = stage in (_STAGES[0], _STAGES[-1])  # whose number of blocks is not multiplied
        channels = _rounded(stage.channels * width)
        for repeat in range(stage.repeats if edge else math.ceil(stage.repeats * depth)):
            stride = stage.stride if repeat == 0 else 1
            features = _block(features, stage, stride, channels, f"_blocks.{number}.")
            number += 1
    features = _activated(_normalised(_convolution(_HEAD, 1, 1, "_conv_head")(features), "_bn1"))
    return keras.Model(pixels, features, name=name)


def assign(model: keras.Model, tensors: Mapping[str, np.ndarray]) -> None:
    """Fills a backbone with the tensors of PyTorch's port of it.

    Args:
      model: of this module.
      tensors: by name, with those of the classifier (`_fc`) among them.

    Raises:
      InputError: they are those of another network; nothing is assigned then.
    """
    wanted = {}
    for layer in model.layers:
        for variable, (suffix, order) in zip(layer.weights, _TENSORS.get(type(layer), ()), strict=True):
            tensor = tensors.get(f"{layer.name.replace('-', '.')}.{suffix}")
            value = None if tensor is None else order(tensor)
            if value is None or value.shape != tuple(variable.shape):
                found = "nothing" if tensor is None else f"{tensor.shape}"
                raise InputError(
                    f"These are not the weights of {model.name}: for {layer.name} {suffix}, expected the shape "
                    f"{tuple(variable.shape)}, found {found}."
                )
            wanted[variable.path] = (variable, value)
    for variable, value in wanted.values():
        variable.assign(value)


def _as_is(tensor: np.ndarray) -> np.ndarray:
    return tensor


def _kernel(tensor: np.ndarray) -> np.ndarray:
    """[out, in, height, width] -> [height, width, in, out]; and depthwise ones alike."""
    return tensor.transpose(2, 3, 1, 0)


def _depthwise(tensor: np.ndarray) -> np.ndarray:
    """[channels, 1, height, width] -> [height, width, channels, 1]."""
    return tensor.transpose(2, 3, 0, 1)


_TENSORS: dict[type, tuple[tuple[str, Callable[[np.ndarray], np.ndarray]], ...]] = {
    keras.layers.Conv2D: (("weight", _kernel),),
    keras.layers.DepthwiseConv2D: (("weight", _depthwise),),
    keras.layers.BatchNormalization: tuple(
        (name, _as_is) for name in ("weight", "bias", "running_mean", "running_var")
    ),
}


def _block(features: keras.KerasTensor, stage: _Stage, stride: int, channels: int, name: str) -> keras.KerasTensor:
    """An inverted residual block (Sandler et al. 2018, arXiv:1801.04381)."""
    before, inner = features.shape[-1], features
    if stage.expansion > 1:
        inner = _convolution(before * stage.expansion, 1, 1, f"{name}_expand_conv")(inner)
        inner = _activated(_normalised(inner, f"{name}_bn0"))
    inner = keras.layers.DepthwiseConv2D(
        stage.kernel, stride, padding="same", use_bias=False, name=_name(f"{name}_depthwise_conv")
    )(inner)
    inner = _activated(_normalised(inner, f"{name}_bn1"))
    inner = _normalised(_convolution(channels, 1, 1, f"{name}_project_conv")(inner), f"{name}_bn2")
    return keras.layers.Add()([features, inner]) if stride == 1 and before == channels else inner


def _rounded(channels: float) -> int:
    """The nearest multiple of 8 that is not less than nine tenths of it."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


def _convolution(channels: int, side: int, stride: int, name: str) -> keras.layers.Layer:
    return keras.layers.Conv2D(channels, side, stride, padding="same", use_bias=False, name=_name(name))


def _normalised(features: keras.KerasTensor, name: str) -> keras.KerasTensor:
    return keras.layers.BatchNormalization(epsilon=_EPSILON, name=_name(name))(features)


def _activated(features: keras.KerasTensor) -> keras.KerasTensor:
    return keras.layers.ReLU(6.0)(features)


def _name(tensor: str) -> str:
    return tensor.replace(".", "-")
