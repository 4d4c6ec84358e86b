"""The backbones there are, in one table that needs no TensorFlow. A new one is a row here, and a line in its test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Scaling = Literal["unit", "caffe", "lite", "own"]
Pretrained = Literal["keras", "package", "none"]


@dataclass(frozen=True, slots=True)
class Backbone:
    """What there is to know of a backbone before it is built.

    Attributes:
      create: "module:function" that builds it, called as those of keras.applications.
      scaling: what pixels 0..255 become before it: "unit" -1..1; "caffe" BGR without ImageNet's mean; "lite"
        (pixel - 127) / 128; "own": it scales them itself.
      pretrained: who brings ImageNet weights: Keras by download, a package of the extra [pretrained], or nobody.
      cost: multiply-adds of a forward pass at 224 px, in thousand millions, as its paper gives them or as counted; only
        ratios matter.
    """

    create: str
    scaling: Scaling
    pretrained: Pretrained
    cost: float


BACKBONES: dict[str, Backbone] = {
    "ResNet8": Backbone("trainer.network.resnet8:ResNet8", "unit", "none", 0.57),
    "MobileNet": Backbone("keras.applications:MobileNet", "unit", "keras", 0.57),
    "MobileNetV3Small": Backbone("keras.applications:MobileNetV3Small", "own", "keras", 0.06),
    "EfficientNetLite0": Backbone("trainer.network.efficientnet_lite:EfficientNetLite0", "lite", "package", 0.41),
    "EfficientNetLite2": Backbone("trainer.network.efficientnet_lite:EfficientNetLite2", "lite", "package", 0.65),
    "EfficientNetV2B0": Backbone("keras.applications:EfficientNetV2B0", "own", "keras", 0.72),
    "ResNet50": Backbone("keras.applications:ResNet50", "caffe", "keras", 3.9),
    "ConvNeXtTiny": Backbone("keras.applications:ConvNeXtTiny", "own", "keras", 4.5),
}
