"""A residual network small enough to train from nothing on a CPU: eight layers with weights, 1.2 million of them.

Dense 3 x 3 convolutions in place of MobileNet's separable ones: about as many multiply-adds, but in few large products,
which a CPU does several times faster, and with a third of the weights to fit to a few hundred paintings.
"""

from __future__ import annotations

import keras

from pipeline.errors import InputError

_WIDTH = 32  # channels of the first layer; each block doubles them and halves the sides


def ResNet8(  # noqa: N802  # named as the models of keras.applications are, and called in their place
    include_top: bool, weights: str | None, input_shape: tuple[int, int, int]
) -> keras.Model:
    """Builds the backbone, with random weights.

    A stem and three basic blocks (He et al. 2015, arXiv:1512.03385), whose shortcuts average before they project, so
    that no pixel is passed over (ResNet-D of He et al. 2018, arXiv:1812.01187).

    Args:
      include_top: False: the head is not its own.
      weights: None: nobody has trained it on ImageNet.
      input_shape: height, width and 3, of pixels in -1 .. 1.

    Returns:
      float32[batch, height, width, 3] -> [batch, height / 16, width / 16, 256].

    Raises:
      InputError: something else than that is asked for.
    """
    if include_top or weights is not None:
        raise InputError("ResNet8 has neither a top nor ImageNet weights. Pass --weights=none, or another --backbone.")
    pixels = keras.Input(input_shape)
    features = _normalised(_convolution(_WIDTH, 5, strides=2)(pixels))
    for doublings in (1, 2, 3):
        features = _block(keras.layers.ReLU()(features), _WIDTH << doublings)
    return keras.Model(pixels, keras.layers.ReLU()(features), name="resnet8")


def _block(features: keras.KerasTensor, channels: int) -> keras.KerasTensor:
    shortcut = keras.layers.AveragePooling2D(2, padding="same")(features)
    shortcut = _normalised(_convolution(channels, 1)(shortcut))
    inner = keras.layers.ReLU()(_normalised(_convolution(channels, 3, strides=2)(features)))
    return keras.layers.Add()([shortcut, _normalised(_convolution(channels, 3)(inner))])


def _convolution(channels: int, side: int, strides: int = 1) -> keras.layers.Layer:
    return keras.layers.Conv2D(channels, side, strides, padding="same", use_bias=False)


def _normalised(features: keras.KerasTensor) -> keras.KerasTensor:
    return keras.layers.BatchNormalization()(features)
