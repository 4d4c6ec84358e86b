"""What a run is made of: one frozen value that main.py fills from flags and everything else reads.

Nothing here imports TensorFlow: a wrong value is refused before anything slow is loaded.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, cast, get_type_hints

from absl import flags

from pipeline.errors import InputError
from trainer.network.backbones import BACKBONES

OPTIMIZERS = ("adam", "adamw", "sgd", "lion")
SCHEDULES = ("constant", "cosine")
CLASS_BALANCES = ("none", "weights", "sampling", "logit_adjust")
AUGMENTATIONS = ("none", "light", "strong")
PRECISIONS = ("auto", "float32", "mixed_float16", "mixed_bfloat16")
FEATURES = ("last", "stages")
TRAINED = ("all", "head", "head_then_all")
STRATEGIES = ("none", "mirrored", "multiworker")

ADAMW_DECAY = 0.05

_EVERY = re.compile(r"(?P<number>[1-9]\d*)(?P<minutes>min)?")


@dataclass(frozen=True, slots=True)
class Flag:
    """What there is to know of a flag, beside its name and type.

    Attributes:
      default: where a user passes none; None: `main` derives it from others.
      help: when to turn it.
      choices: what it may be; any value where there are none.
      lower, upper: bounds of a number.
      may_change: between two starts of one run, since it does not change what is learned.
      left_open: a recipe leaves it to the paintings and the machine; a run that differs in it still follows the recipe.
      incidental: runs that differ in it alone are one recipe's, and stand in one row of a table.
    """

    default: str | int | float | bool | None
    help: str
    choices: tuple[str, ...] = ()
    lower: float | None = None
    upper: float | None = None
    may_change: bool = False
    left_open: bool = False
    incidental: bool = False


def flag(default: str | int | float | bool | None, help: str, **facts: Any) -> Any:  # noqa: A002  # as in absl
    """A field of `Config` with its `Flag`."""
    return field(metadata={"flag": Flag(default, help, **facts)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The values of the flags of the same names, whose help says what each does."""

    # --- Where ---
    dataset_dir: str = flag(
        "datasets/crop64x16",
        "Folder of a dataset that pipeline.build wrote. Any of its crop schemes will do.",
        may_change=True,
        left_open=True,
        incidental=True,
    )
    run_dir: str = flag(
        None,
        "Folder of this run: checkpoints, models, metrics, report. A run that is there already is continued. Default: "
        "runs/<scheme>-<backbone>. Give every experiment its own.",
        may_change=True,
        left_open=True,
        incidental=True,
    )
    # --- The model ---
    backbone: str = flag(
        "MobileNet",
        "Network. ResNet8 and MobileNetV3Small train from nothing on a CPU; EfficientNetLite0 is the first choice "
        "there with ImageNet weights, EfficientNetV2B0 on a GPU; ResNet50 and ConvNeXtTiny are larger and want "
        "ImageNet weights to be worth it.",
        choices=tuple(BACKBONES),
    )
    weights: str = flag(
        "none",
        "What the backbone starts from: none (random), imagenet (downloaded by Keras; of EfficientNetLite from the "
        "extra [pretrained], without a download), or a local .h5 file of the backbone without its top. Turn to "
        "imagenet whenever you can: with a few hundred paintings nothing else helps as much.",
    )
    input_size: int = flag(
        0,
        "Side of the picture that the backbone sees, 32 or more; 0: the dataset's. Below the crop's, no more is "
        "decoded than it takes; above, the crop is enlarged on the device. Turn up with ImageNet weights, which were "
        "trained at 224; costs time with its square.",
        lower=0,
        upper=1024,
    )
    grayscale: bool = flag(
        False,
        "See luminance only. Turn on to learn how much of the attribution rests on the palette.",
    )
    dropout: float = flag(
        0.2,
        "Share of the features dropped before the last layer while training. Turn up (0.5, 0.7) where validation falls "
        "behind training.",
        lower=0,
        upper=0.95,
    )
    freeze_epochs: int = flag(
        0,
        "Train only the head for so many epochs, then everything. 1 to 5 with pretrained weights, which the first "
        "gradients of a random head would spoil. A frozen backbone keeps its BatchNorm statistics.",
        lower=0,
    )
    features: str = flag(
        "last",
        "What of the backbone is averaged and judged. last: its last feature map. stages: also the maps before each "
        "halving of their sides, which know more of brushwork than of what is painted. Turn to stages with pretrained "
        "weights and --train=head.",
        choices=FEATURES,
    )
    train: str = flag(
        "all",
        "all: every weight, epoch by epoch. head: the backbone stays as it was loaded; every record passes it once, "
        "without augmentation, and the last layer is fitted to what it gave, in seconds. The first thing to try with "
        "pretrained weights, and the best that a CPU can do in minutes; what the backbone gave is kept below "
        "~/.cache/morelli, and may be deleted. head_then_all: starts from such a head, and "
        "trains the backbone with it, epoch by epoch, its BatchNorm at rest; on a GPU.",
        choices=TRAINED,
    )
    backbone_rate: float = flag(
        1.0,
        "Learning rate of the backbone, as a share of the head's. 0.1 with --train=head_then_all: pretrained weights "
        "want to be nudged, not pushed.",
        lower=0,
        upper=1,
    )
    thaw: float = flag(
        1.0,
        "Share of the backbone's layers that learn, from the top; those below stay as they were loaded. Turn down with "
        "few paintings, and where an epoch takes too long.",
        lower=0,
        upper=1,
    )
    # --- Training ---
    epochs: int = flag(
        30,
        "Times to see every training record.",
        lower=1,
        left_open=True,
    )
    batch_size: int = flag(
        128,
        "Records per step, over all devices. Turn down where memory runs out, up on a large GPU (and learning_rate "
        "with it).",
        lower=1,
        left_open=True,
    )
    accumulate_steps: int = flag(
        1,
        "Batches whose gradients are averaged into one update: a larger batch for training in the memory of a small "
        "one. BatchNorm still sees the small one.",
        lower=1,
        left_open=True,
    )
    optimizer: str = flag(
        "adamw",
        "adamw is right nearly always. sgd (Nesterov, momentum 0.9) wants a learning rate some 30 times higher, lion "
        "one some 5 times lower. adam is adamw without weight decay.",
        choices=OPTIMIZERS,
    )
    learning_rate: float = flag(
        1e-3,
        "Peak learning rate. Turn down tenfold to fine-tune pretrained weights, or where the loss is not finite.",
        lower=1e-8,
        upper=100,
    )
    warmup: float = flag(
        1.0,
        "Epochs over which the learning rate rises to its peak. More for large batches.",
        lower=0,
    )
    schedule: str = flag(
        "cosine",
        "After warm-up: cosine comes down to 0 at the last epoch and ends better; constant can be prolonged by raising "
        "--epochs of a finished run.",
        choices=SCHEDULES,
    )
    weight_decay: float = flag(
        None,
        "Pull of the weights (not biases and norms) towards 0, apart from the gradient and times the learning rate. "
        f"Default: {ADAMW_DECAY} with adamw, else 0. Turn up where validation falls behind training.",
        lower=0,
    )
    l2: float = flag(
        0.0,
        "Squares of all kernels, backbone included, added to the loss times this. Kept for comparison with older work "
        "(1e-4); prefer weight_decay. BatchNorm makes it act mostly as a change of learning rate.",
        lower=0,
    )
    clip_norm: float = flag(
        1.0,
        "Gradients are scaled down to this global norm; 0: never. Turn down where the loss jumps.",
        lower=0,
    )
    label_smoothing: float = flag(
        0.1,
        "Share of each target spread over all artists. Makes scores less certain, and often better; 0 to compare "
        "losses with other work.",
        lower=0,
        upper=0.9,
    )
    class_balance: str = flag(
        "none",
        "What to do about artists with few paintings. none: the largest artists win, and top-1 with them. weights: the "
        "loss of an artist counts inversely to its number of records. sampling: records of rare artists are repeated "
        "until all artists are seen equally often; an epoch is longer by that. logit_adjust: the prior is taken out of "
        "the loss (Menon et al. 2020), the cheapest and usually the best for macro-F1. Turn on where every artist "
        "matters alike.",
        choices=CLASS_BALANCES,
    )
    augment: str = flag(
        "light",
        "light: flips and a little of brightness, contrast and saturation. strong: more of it, random erasing, mixup "
        "and CutMix; for long runs where validation falls behind training. none: to measure, or for very short runs.",
        choices=AUGMENTATIONS,
    )
    random_resized_crop: bool = flag(
        False,
        "Show a random window of each picture, a fifth of it or more, enlarged to the whole. Turn on for "
        "reshaped paintings and large crops, with --input_size at half their size or less; crops of 64 px have nothing "
        "to spare.",
    )
    ema: float = flag(
        0.999,
        "Decay of a moving average of the weights, which is what is validated and saved; 0: none. Its memory should be "
        "a few epochs at most: 0.99 (a hundred steps) for short runs, 0.9999 for very long ones.",
        lower=0,
        upper=0.99999,
    )
    early_stop: int = flag(
        0,
        "Stop after so many epochs without a better validation; 0: never. Better is a higher top-1 of validation "
        "paintings, and where they tie, as they do when validation paintings are few, a lower loss of them; best.keras "
        "is chosen so too. Leave at 0 with --schedule=cosine, whose last epochs are the best.",
        lower=0,
        may_change=True,
    )
    # --- The machine ---
    shuffle_mib: int = flag(
        256,
        "Memory for shuffling, in MiB. Records change places within half of it. Turn up for large crops, where the "
        "epoch's start shows in the loss, and memory allows; down where memory is short.",
        lower=1,
    )
    cache_dir: str = flag(
        "",
        "Keep copies of the dataset's shards in this folder, on a local disk. Pass it where the dataset lies in an "
        "object store or on a slow share: where all of it fits, nothing is fetched from the second epoch on.",
        may_change=True,
        left_open=True,
        incidental=True,
    )
    cache_gib: float = flag(
        20.0,
        "The most that --cache_dir may hold, in GiB. The dataset's size, where the disk has room.",
        lower=0.01,
        may_change=True,
        left_open=True,
        incidental=True,
    )
    precision: str = flag(
        "auto",
        "auto: mixed_float16 with loss scaling on GPUs with tensor cores (compute capability 7 or more), float32 "
        "elsewhere. mixed_bfloat16 needs no loss scaling: on an A100 or newer, and worth a try on CPUs with AMX. "
        "mixed_float16 on a CPU is several times slower.",
        choices=PRECISIONS,
    )
    jit: bool = flag(
        False,
        "Compile the step with XLA. Try it on a GPU and compare examples/s; on a CPU it is several times slower.",
    )
    seed: int = flag(
        0,
        "Of weights, order, augmentation and dropout.",
        lower=0,
        upper=2**31 - 1,
        left_open=True,
        incidental=True,
    )
    deterministic: bool = flag(
        False,
        "Use only kernels that give the same bits every time: two runs with the same flags on the same machine end "
        "with the same weights, killed and resumed or not. Slower on a GPU; turn on to hunt a bug.",
    )
    checkpoint_every: str = flag(
        "5min",
        "Steps (500) or minutes (5min) between checkpoints; there is one after every epoch besides. What a kill may "
        "cost.",
        may_change=True,
        incidental=True,
    )
    keep: int = flag(
        2,
        "Checkpoints to keep. At least 2, so that a damaged one leaves another.",
        lower=1,
        upper=100,
        may_change=True,
        incidental=True,
    )
    strategy: str = flag(
        "none",
        "none: one device. mirrored: all GPUs of this machine. multiworker: several machines that share --run_dir, "
        "each started with its own TF_CONFIG (see tensorflow.org/guide/distributed_training).",
        choices=STRATEGIES,
    )

    def __post_init__(self) -> None:
        if self.weights not in ("none", "imagenet") and not Path(self.weights).is_file():
            raise InputError(
                f"--weights: expected none, imagenet or a file of backbone weights (.h5). Found no file {self.weights}."
            )
        if self.weights == "imagenet" and BACKBONES[self.backbone].pretrained == "none":
            trained = [name for name, each in BACKBONES.items() if each.pretrained != "none"]
            raise InputError(
                f"--weights=imagenet: nobody has trained {self.backbone} on ImageNet. Pass --weights=none, or a "
                f"--backbone of {', '.join(trained)}."
            )
        if self.freeze_epochs and self.weights == "none":
            raise InputError(
                "--freeze_epochs keeps the backbone as it was loaded, but --weights=none loads nothing: the head would "
                "learn from noise. Pass --weights=imagenet or a file, or --freeze_epochs=0."
            )
        if self.train != "all" and self.weights == "none":
            raise InputError(
                f"--train={self.train} fits a head to the backbone as it was loaded, but --weights=none loads nothing: "
                "the head would learn from noise. Pass --weights=imagenet or a file, or --train=all."
            )
        if self.train != "all" and self.strategy != "none":
            raise InputError(f"--train={self.train} embeds on one device: it goes with --strategy=none only.")
        if self.weights == "none" and (self.thaw < 1 or self.backbone_rate < 1):
            raise InputError(
                "--thaw and --backbone_rate keep the backbone near what was loaded, but --weights=none loads nothing. "
                "Pass --weights=imagenet or a file, or leave them out."
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
        free = {name for name, each in FLAGS.items() if each.may_change}
        free |= {"epochs"} if self.schedule == "constant" else set()
        return {name: value for name, value in asdict(self).items() if name not in free}

    def to_flags(self) -> str:
        """The text of a flagfile that gives this value."""
        lines = [f"--{name}={value}" for name, value in asdict(self).items()]
        head = f"# Again, or on from where it stopped: python -m trainer.main --flagfile={self.run_dir}/flags.txt"
        return "\n".join([head, *lines]) + "\n"

    def to_dict(self) -> dict[str, Any]:
        """The flags by name."""
        return asdict(self)


FLAGS: dict[str, Flag] = {each.name: each.metadata["flag"] for each in fields(Config)}
TYPES: dict[str, type] = get_type_hints(Config)


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the fields of `Config` as flags of absl."""
    for name, each in FLAGS.items():
        kind, default = TYPES[name], cast(Any, each.default)
        if kind is bool:
            flags.DEFINE_bool(name, default, each.help, flag_values=values)
        elif each.choices:
            flags.DEFINE_enum(name, default, each.choices, each.help, flag_values=values)
        elif kind is str:
            flags.DEFINE_string(name, default, each.help, flag_values=values)
        else:
            define: Any = flags.DEFINE_integer if kind is int else flags.DEFINE_float
            bounds = {"lower_bound": each.lower, "upper_bound": each.upper}
            define(name, default, each.help, flag_values=values, **bounds)


def differences(saved: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """How two identities differ, one phrase each: `dropout was 0.5, now 0.2`.

    A flag that did not exist when the first was saved had its default.
    """
    before = {name: saved.get(name, FLAGS[name].default if name in FLAGS else None) for name in wanted}
    return [f"{name} was {before[name]}, now {wanted[name]}" for name in wanted if before[name] != wanted[name]]
