"""What a run is made of: one frozen value that main.py fills from flags and everything else reads.

Nothing here imports TensorFlow: a wrong value is refused before anything slow is loaded.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import InputError

BACKBONES = ("ResNet8", "MobileNet", "MobileNetV3Small", "EfficientNetV2B0", "ResNet50", "ConvNeXtTiny")
OPTIMIZERS = ("adam", "adamw", "sgd", "lion")
SCHEDULES = ("constant", "cosine")
CLASS_BALANCES = ("none", "weights", "sampling", "logit_adjust")
AUGMENTATIONS = ("none", "light", "strong")
PRECISIONS = ("auto", "float32", "mixed_float16", "mixed_bfloat16")
STRATEGIES = ("none", "mirrored", "multiworker")

ADAMW_DECAY = 0.05

_EVERY = re.compile(r"(?P<number>[1-9]\d*)(?P<minutes>min)?")
# What may change between two starts of one run without changing what is learned.
_FREE = {"dataset_dir", "run_dir", "checkpoint_every", "keep", "early_stop"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The values of the flags of the same names, whose help says what each does."""

    dataset_dir: str
    run_dir: str
    backbone: str
    weights: str
    input_size: int
    grayscale: bool
    dropout: float
    freeze_epochs: int
    epochs: int
    batch_size: int
    accumulate_steps: int
    optimizer: str
    learning_rate: float
    warmup: float
    schedule: str
    weight_decay: float
    l2: float
    clip_norm: float
    label_smoothing: float
    class_balance: str
    augment: str
    random_resized_crop: bool
    ema: float
    early_stop: int
    shuffle_mib: int
    precision: str
    jit: bool
    seed: int
    deterministic: bool
    checkpoint_every: str
    keep: int
    strategy: str

    def __post_init__(self) -> None:
        if self.weights not in ("none", "imagenet") and not Path(self.weights).is_file():
            raise InputError(
                f"--weights: expected none, imagenet or a file of backbone weights (.h5). Found no file {self.weights}."
            )
        if self.backbone == "ResNet8" and self.weights == "imagenet":
            raise InputError(
                "--weights=imagenet: nobody has trained ResNet8 on ImageNet. Pass --weights=none, or a --backbone of "
                f"{', '.join(BACKBONES[1:])}."
            )
        if self.freeze_epochs and self.weights == "none":
            raise InputError(
                "--freeze_epochs keeps the backbone as it was loaded, but --weights=none loads nothing: the head would "
                "learn from noise. Pass --weights=imagenet or a file, or --freeze_epochs=0."
            )
        if self.freeze_epochs > self.epochs:
            raise InputError(f"--freeze_epochs={self.freeze_epochs} is more than --epochs={self.epochs}.")
        if self.warmup > self.epochs:
            raise InputError(f"--warmup={self.warmup} epochs is more than --epochs={self.epochs}.")
        if self.optimizer == "adam" and self.weight_decay:
            raise InputError(
                "--weight_decay belongs to --optimizer=adamw (or sgd, lion). With adam, pass --l2 instead."
            )
        if self.jit and self.strategy != "none":
            raise InputError("--jit compiles a step for one device: it goes with --strategy=none only.")
        if not _EVERY.fullmatch(self.checkpoint_every):
            raise InputError(
                "--checkpoint_every: expected a number of steps such as 500, or of minutes such as 10min. "
                f"Received {self.checkpoint_every!r}."
            )

    @property
    def checkpoint_steps(self) -> int | None:
        """Steps between checkpoints; None where minutes are counted."""
        return None if self.checkpoint_every.endswith("min") else int(self.checkpoint_every)

    @property
    def checkpoint_seconds(self) -> float:
        """Seconds between checkpoints; infinite where steps are counted."""
        return 60 * float(self.checkpoint_every[:-3]) if self.checkpoint_every.endswith("min") else float("inf")

    def identity(self) -> dict[str, Any]:
        """What a checkpoint must have been trained with to be continued by this run."""
        free = _FREE | ({"epochs"} if self.schedule == "constant" else set())
        return {name: value for name, value in asdict(self).items() if name not in free}

    def to_flags(self) -> str:
        """The text of a flagfile that gives this value."""
        lines = [f"--{name}={value}" for name, value in asdict(self).items()]
        head = f"# Again, or on from where it stopped: python -m trainer.main --flagfile={self.run_dir}/flags.txt"
        return "\n".join([head, *lines]) + "\n"

    def to_dict(self) -> dict[str, Any]:
        """The flags by name."""
        return asdict(self)


def differences(saved: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """How two identities differ, one phrase each: `dropout was 0.5, now 0.2`."""
    return [f"{name} was {saved.get(name)}, now {wanted[name]}" for name in wanted if saved.get(name) != wanted[name]]
