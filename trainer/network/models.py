"""Backbones and heads: uint8 pictures in, a score per artist out.

A network is one functional Keras model of built-in layers, preprocessing included, so that a saved file loads with
plain `keras.models.load_model` anywhere:

    uint8[batch, size, size, 3]  ->  float  ->  (grey)  ->  (resize)  ->  the backbone's own scaling  ->  backbone
    ->  "embedding": mean over places, float32  ->  dropout  ->  "logits"  ->  "scores": softmax, float32

Where `Design.stages` is on, the embedding joins the means of the backbone's earlier feature maps to that of its last.
"""

from __future__ import annotations

import importlib
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from pipeline.errors import InputError
from pipeline.storage import files
from trainer.network import efficientnet_lite, pretrained
from trainer.network.backbones import BACKBONES, Scaling

_CAFFE_MEANS = (103.939, 116.779, 123.68)  # blue, green, red: ImageNet's, as in keras.applications.imagenet_utils


def _to_unit(pixels: keras.KerasTensor) -> keras.KerasTensor:
    """-1 .. 1, as MobileNet was trained."""
    return keras.layers.Rescaling(1 / 127.5, offset=-1.0, dtype="float32")(pixels)


def _to_caffe(pixels: keras.KerasTensor) -> keras.KerasTensor:
    """BGR without ImageNet's mean, as ResNet50 was trained."""
    swapped = keras.ops.flip(pixels, axis=-1)
    return keras.layers.Rescaling(1.0, offset=[-mean for mean in _CAFFE_MEANS], dtype="float32")(swapped)


def _to_lite(pixels: keras.KerasTensor) -> keras.KerasTensor:
    """(pixel - 127) / 128, as EfficientNet-Lite was trained."""
    return keras.layers.Rescaling(1 / 128, offset=-127 / 128, dtype="float32")(pixels)


def _as_is(pixels: keras.KerasTensor) -> keras.KerasTensor:
    """0 .. 255: the backbone holds its own scaling."""
    return pixels


_SCALINGS: dict[Scaling, Callable[[keras.KerasTensor], keras.KerasTensor]] = {
    "unit": _to_unit,
    "caffe": _to_caffe,
    "lite": _to_lite,
    "own": _as_is,
}


def create_backbone(name: str, **arguments: Any) -> keras.Model:
    """Builds a backbone of BACKBONES, called as the models of keras.applications are."""
    module, _, function = BACKBONES[name].create.partition(":")
    made: keras.Model = getattr(importlib.import_module(module), function)(**arguments)
    return made


_BATCH_NORM_MOMENTUM = 0.9  # PyTorch's. Keras's 0.99 to 0.999 need thousands of steps to forget how they began
SMALLEST_INPUT = 32  # of all of keras.applications: they halve the sides five times


@dataclass(frozen=True, slots=True)
class Design:
    """All that decides a network, but for the values of its weights.

    Attributes:
      backbone: a name in BACKBONES.
      picture_size: side of the pictures that go in.
      input_size: side that the backbone sees; pictures of another size are resized on the device.
      classes: number of artists.
      dropout: share of the embedding dropped in training.
      grayscale: luminance only, repeated for the three channels.
      stages: the embedding holds the means of `stage_ends` too.
    """

    backbone: str
    picture_size: int
    input_size: int
    classes: int
    dropout: float
    grayscale: bool
    stages: bool = False

    def __post_init__(self) -> None:
        if self.input_size < SMALLEST_INPUT:
            raise InputError(
                f"The backbones need pictures of at least {SMALLEST_INPUT} pixels; the dataset's have "
                f"{self.picture_size}. Pass --input_size={SMALLEST_INPUT} or more: they are enlarged on the device."
            )


@dataclass(frozen=True, slots=True)
class Network:
    """Views of the same layers.

    Attributes:
      model: pictures -> scores; what is saved.
      features: pictures -> the list of feature maps that the backbone gives.
      head: that -> logits.
      embedding: pictures -> float32[batch, features].
      backbone: from its own input to its last feature map; its layers are in `model` and `features`.
    """

    model: keras.Model
    features: keras.Model
    head: keras.Model
    embedding: keras.Model
    backbone: keras.Model

    def logits(self, pictures: tf.Tensor, frozen: bool) -> tf.Tensor:
        """float32[batch, classes] as in training. A `frozen` backbone's BatchNorm statistics and dropout are at rest.

        In two calls, because Keras 3 gives `training=True` of an outer model to all inner ones, even to those that
        were put into the graph with `training=False`.
        """
        return self.head(self.features(pictures, training=not frozen), training=True)

    def thawed(self, share: float) -> list[keras.Variable]:
        """The backbone's variables to train where that share of its layers learns, from the top."""
        layers = [
            layer for layer in self.backbone._flatten_layers(include_self=False, recursive=True) if layer.variables
        ]
        layers = [layer for layer in layers if not getattr(layer, "layers", None)]  # those that hold others
        first = len(layers) - math.ceil(share * len(layers))
        return [variable for layer in layers[first:] for variable in layer.trainable_variables]

    def trainable(self, head_only: bool) -> list[keras.Variable]:
        """The variables to train: all, or those of the head."""
        chosen: list[keras.Variable] = self.head.trainable_variables if head_only else self.model.trainable_variables
        return chosen


def build(design: Design, policy: str = "float32") -> Network:
    """A network with random weights, from Keras's global generator.

    Args:
      design: of the network.
      policy: Keras dtype policy of the backbone. The head is float32 under every policy: a softmax over float16 logits
        loses the small probabilities that loss and calibration live on.
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        return _assemble(design)
    finally:
        keras.config.set_dtype_policy(before)


def _assemble(design: Design) -> Network:
    pictures = keras.Input([design.picture_size, design.picture_size, 3], dtype="uint8", name="picture")
    pixels = keras.layers.Rescaling(1.0, dtype="float32")(pictures)
    if design.grayscale:
        grey = keras.ops.image.rgb_to_grayscale(pixels)
        pixels = keras.layers.Concatenate(dtype="float32")([grey, grey, grey])
    if design.input_size != design.picture_size:
        pixels = keras.layers.Resizing(design.input_size, design.input_size, dtype="float32")(pixels)
    prepared = _SCALINGS[BACKBONES[design.backbone].scaling](pixels)
    backbone = create_backbone(
        design.backbone, include_top=False, weights=None, input_shape=(design.input_size, design.input_size, 3)
    )
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = _BATCH_NORM_MOMENTUM
    if design.stages:
        maps = keras.Model(backbone.input, [*stage_ends(backbone), backbone.output], name=backbone.name)(prepared)
    else:
        maps = [backbone(prepared)]
    dropout = keras.layers.Dropout(design.dropout, name="dropout", dtype="float32")
    dense = keras.layers.Dense(design.classes, name="logits", dtype="float32")
    scores = keras.layers.Softmax(name="scores", dtype="float32")
    pool = _pooling(len(maps))
    passed = [keras.Input(each.shape[1:], dtype=each.dtype) for each in maps]
    embedding = pool(maps)
    return Network(
        model=keras.Model(pictures, scores(dense(dropout(embedding))), name="morelli"),
        features=keras.Model(pictures, maps),
        head=keras.Model(passed, dense(dropout(pool(passed)))),
        embedding=keras.Model(pictures, embedding),
        backbone=backbone,
    )


def _pooling(maps: int) -> Callable[[list[keras.KerasTensor]], keras.KerasTensor]:
    """Layers that give the mean over places of each of so many feature maps, joined; the last is named "embedding"."""
    if maps == 1:
        only = keras.layers.GlobalAveragePooling2D(name="embedding", dtype="float32")
        return lambda given: only(given[0])
    means = [keras.layers.GlobalAveragePooling2D(name=f"mean{number}", dtype="float32") for number in range(maps)]
    join = keras.layers.Concatenate(name="embedding", dtype="float32")
    return lambda given: join([mean(each) for mean, each in zip(means, given, strict=True)])


def stage_ends(backbone: keras.Model) -> list[keras.KerasTensor]:
    """The feature maps before the sides are halved again: what enters each layer that gives a smaller map than it gets.

    Early maps know of brushwork and of canvas, late ones of what is painted. The picture itself is none of them, and of
    a map that is padded first, the one without the padding is taken.
    """
    ends: dict[int, keras.KerasTensor] = {}
    for layer in backbone.layers:
        entering, leaving = layer.input, layer.output
        if isinstance(entering, list) or len(entering.shape) != 4 or entering.shape[-1] <= 3:
            continue
        if isinstance(layer, keras.layers.GlobalAveragePooling2D):  # of squeeze-and-excitation
            continue
        if leaving.shape[1] < entering.shape[1]:
            before = entering._keras_history.operation
            if isinstance(before, keras.layers.ZeroPadding2D):
                entering = before.input
            ends.setdefault(id(entering), entering)
    return list(ends.values())


def load_backbone(network: Network, name: str, weights: str) -> None:
    """Fills the backbone with pretrained weights.

    Args:
      network: to fill.
      name: of the backbone.
      weights: "imagenet", downloaded by Keras, or taken from its cache or from a package; or the path of a file that
        holds the backbone without its top (`.weights.h5`, or the `.h5` files of keras.applications).

    Raises:
      InputError: the download failed, or the file holds something else.
    """
    if weights == "imagenet":
        if BACKBONES[name].pretrained == "package":
            pretrained.load(network.backbone, name, efficientnet_lite.assign)
        else:
            network.backbone.set_weights(_download(name).get_weights())
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # Keras only warns of layers that the file does not hold, and continues
            network.backbone.load_weights(weights)
    except (ValueError, OSError, KeyError, UserWarning) as error:
        raise InputError(
            f"--weights={weights} does not hold the weights of {name} without its top: {error} "
            "Pass a file of the same backbone (keras.applications names them *_notop.h5 or *_no_top.h5)."
        ) from error


def _download(name: str) -> keras.Model:
    """A backbone of keras.applications with its ImageNet weights. Raises InputError where they cannot be had."""
    shape = (SMALLEST_INPUT * 7, SMALLEST_INPUT * 7, 3)  # 224: MobileNet's weights come in few sizes
    try:
        return create_backbone(name, include_top=False, weights="imagenet", input_shape=shape)
    except Exception as error:  # Keras raises a bare Exception where a download fails
        raise InputError(
            f"The ImageNet weights of {name} could not be downloaded ({error}). On a machine with a network, run "
            f'python -c "import keras; keras.applications.{name}(include_top=False)"; it leaves an .h5 file in '
            "~/.keras/models. Bring that file here and pass --weights=FILE, or train from nothing with "
            "--weights=none."
        ) from error


def save(model: keras.Model, design: Design, path: Path) -> None:
    """Writes a model as float32, whole or not at all.

    A model trained in mixed precision or spread over devices is copied into a plain float32 one first: its variables
    are float32 anyway, and who loads it on a CPU would find half precision slow.
    """
    copy = build(design).model
    copy.set_weights(model.get_weights())
    with files.replacing(path) as temporary:
        copy.save(temporary)
