"""python -m trainer.main --flagfile=trainer/recipes/quickstart.flags: train, evaluate, report.

Run the same command again to go on from where it stopped. `--help` says what each flag does and when to turn it;
`--flagfile=FILE` reads flags from a file, one a line, and later flags win over it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from absl import app, flags, logging

from pipeline.terminal.command import RESUMES, command
from pipeline.terminal.streams import complain, say
from trainer import config as allowed
from trainer.config import ADAMW_DECAY, Config
from trainer.errors import InterruptedRunError

FLAGS = flags.FLAGS

# --- Where ------------------------------------------------------------------------------------------------------------
flags.DEFINE_string(
    "dataset_dir",
    "datasets/crop64x16",
    "Folder of a dataset that pipeline.build wrote. Any of its crop schemes will do.",
)
flags.DEFINE_string(
    "run_dir",
    None,
    "Folder of this run: checkpoints, models, metrics, report. A run that is there already is continued. Default: "
    "runs/<scheme>-<backbone>. Give every experiment its own.",
)

# --- The model --------------------------------------------------------------------------------------------------------
flags.DEFINE_enum(
    "backbone",
    "MobileNet",
    allowed.BACKBONES,
    "Network. ResNet8 and MobileNetV3Small train from nothing on a CPU; EfficientNetV2B0 is the first "
    "choice on a GPU; ResNet50 and ConvNeXtTiny are larger and want ImageNet weights to be worth it.",
)
flags.DEFINE_string(
    "weights",
    "none",
    "What the backbone starts from: none (random), imagenet (downloaded by Keras), or a local .h5 file of the "
    "backbone without its top. Turn to imagenet whenever you can: with a few hundred paintings nothing else helps "
    "as much.",
)
flags.DEFINE_integer(
    "input_size",
    0,
    "Side of the picture that the backbone sees, 32 or more; 0: the dataset's. Larger than the crop, it is "
    "enlarged on the device. Turn up with ImageNet weights, which were trained at 224; costs time with its square.",
    lower_bound=0,
    upper_bound=1024,
)
flags.DEFINE_bool(
    "grayscale", False, "See luminance only. Turn on to learn how much of the attribution rests on the palette."
)
flags.DEFINE_float(
    "dropout",
    0.2,
    "Share of the features dropped before the last layer while training. Turn up (0.5, 0.7) where validation falls "
    "behind training.",
    lower_bound=0,
    upper_bound=0.95,
)
flags.DEFINE_integer(
    "freeze_epochs",
    0,
    "Train only the head for so many epochs, then everything. 1 to 5 with pretrained weights, which the first "
    "gradients of a random head would spoil. A frozen backbone keeps its BatchNorm statistics.",
    lower_bound=0,
)

# --- Training ---------------------------------------------------------------------------------------------------------
flags.DEFINE_integer("epochs", 30, "Times to see every training record.", lower_bound=1)
flags.DEFINE_integer(
    "batch_size",
    128,
    "Records per step, over all devices. Turn down where memory runs out, up on a large GPU (and learning_rate "
    "with it).",
    lower_bound=1,
)
flags.DEFINE_integer(
    "accumulate_steps",
    1,
    "Batches whose gradients are averaged into one update: a larger batch for training in the memory of a small "
    "one. BatchNorm still sees the small one.",
    lower_bound=1,
)
flags.DEFINE_enum(
    "optimizer",
    "adamw",
    allowed.OPTIMIZERS,
    "adamw is right nearly always. sgd (Nesterov, momentum 0.9) wants a learning rate some 30 times higher, lion "
    "one some 5 times lower. adam is adamw without weight decay.",
)
flags.DEFINE_float(
    "learning_rate",
    1e-3,
    "Peak learning rate. Turn down tenfold to fine-tune pretrained weights, or where the loss is not finite.",
    lower_bound=1e-8,
    upper_bound=100,
)
flags.DEFINE_float(
    "warmup", 1.0, "Epochs over which the learning rate rises to its peak. More for large batches.", lower_bound=0
)
flags.DEFINE_enum(
    "schedule",
    "cosine",
    allowed.SCHEDULES,
    "After warm-up: cosine comes down to 0 at the last epoch and ends better; constant can be prolonged by raising "
    "--epochs of a finished run.",
)
flags.DEFINE_float(
    "weight_decay",
    None,
    "Pull of the weights (not biases and norms) towards 0, apart from the gradient and times the learning rate. "
    f"Default: {ADAMW_DECAY} with adamw, else 0. Turn up where validation falls behind training.",
    lower_bound=0,
)
flags.DEFINE_float(
    "l2",
    0.0,
    "Squares of all kernels, backbone included, added to the loss times this. Kept for comparison with older work "
    "(1e-4); prefer weight_decay. BatchNorm makes it act mostly as a change of learning rate.",
    lower_bound=0,
)
flags.DEFINE_float(
    "clip_norm",
    1.0,
    "Gradients are scaled down to this global norm; 0: never. Turn down where the loss jumps.",
    lower_bound=0,
)
flags.DEFINE_float(
    "label_smoothing",
    0.1,
    "Share of each target spread over all artists. Makes scores less certain, and often better; 0 to compare "
    "losses with other work.",
    lower_bound=0,
    upper_bound=0.9,
)
flags.DEFINE_enum(
    "class_balance",
    "none",
    allowed.CLASS_BALANCES,
    "What to do about artists with few paintings. none: the largest artists win, and top-1 with them. weights: the "
    "loss of an artist counts inversely to its number of records. sampling: records of rare artists are repeated "
    "until all artists are seen equally often; an epoch is longer by that. logit_adjust: the prior is taken out of "
    "the loss (Menon et al. 2020), the cheapest and usually the best for macro-F1. Turn on where every artist "
    "matters alike.",
)
flags.DEFINE_enum(
    "augment",
    "light",
    allowed.AUGMENTATIONS,
    "light: flips and a little of brightness, contrast and saturation. strong: more of it, random erasing, mixup and "
    "CutMix; for long runs where validation falls behind training. none: to measure, or for very short runs.",
)
flags.DEFINE_bool(
    "random_resized_crop",
    False,
    "Show a random window of each picture, a fifth of it or more, enlarged to the whole. Turn on for reshaped "
    "paintings and large crops, with --input_size at half their size or less; crops of 64 px have nothing to spare.",
)
flags.DEFINE_float(
    "ema",
    0.999,
    "Decay of a moving average of the weights, which is what is validated and saved; 0: none. Its memory should be "
    "a few epochs at most: 0.99 (a hundred steps) for short runs, 0.9999 for very long ones.",
    lower_bound=0,
    upper_bound=0.99999,
)
flags.DEFINE_integer(
    "early_stop",
    0,
    "Stop after so many epochs without a better validation; 0: never. Better is a higher top-1 of validation "
    "paintings, and where they tie, as they do when validation paintings are few, a lower loss of them; best.keras "
    "is chosen so too. Leave at 0 with --schedule=cosine, whose last epochs are the best.",
    lower_bound=0,
)

# --- The machine ------------------------------------------------------------------------------------------------------
flags.DEFINE_integer(
    "shuffle_mib",
    256,
    "Memory for shuffling, in MiB. Records change places within half of it. Turn up for large crops, where the "
    "epoch's start shows in the loss, and memory allows; down where memory is short.",
    lower_bound=1,
)
flags.DEFINE_enum(
    "precision",
    "auto",
    allowed.PRECISIONS,
    "auto: mixed_float16 with loss scaling on GPUs with tensor cores (compute capability 7 or more), float32 "
    "elsewhere. mixed_bfloat16 needs no loss scaling: on an A100 or newer, and worth a try on CPUs with AMX. "
    "mixed_float16 on a CPU is several times slower.",
)
flags.DEFINE_bool(
    "jit",
    False,
    "Compile the step with XLA. Try it on a GPU and compare examples/s; on a CPU it is several times slower.",
)
flags.DEFINE_integer("seed", 0, "Of weights, order, augmentation and dropout.", lower_bound=0, upper_bound=2**31 - 1)
flags.DEFINE_bool(
    "deterministic",
    False,
    "Use only kernels that give the same bits every time: two runs with the same flags on the same machine end "
    "with the same weights, killed and resumed or not. Slower on a GPU; turn on to hunt a bug.",
)
flags.DEFINE_string(
    "checkpoint_every",
    "5min",
    "Steps (500) or minutes (5min) between checkpoints; there is one after every epoch besides. What a kill may cost.",
)
flags.DEFINE_integer(
    "keep", 2, "Checkpoints to keep. At least 2, so that a damaged one leaves another.", lower_bound=1, upper_bound=100
)
flags.DEFINE_enum(
    "strategy",
    "none",
    allowed.STRATEGIES,
    "none: one device. mirrored: all GPUs of this machine. multiworker: several machines that share --run_dir, "
    "each started with its own TF_CONFIG (see tensorflow.org/guide/distributed_training).",
)


def config_from_flags() -> Config:
    """The flags as one value. Raises InputError where two of them do not go together."""
    values: dict[str, Any] = {name: getattr(FLAGS, name) for name in Config.__dataclass_fields__}
    if values["weight_decay"] is None:
        values["weight_decay"] = ADAMW_DECAY if values["optimizer"] == "adamw" else 0.0
    if values["run_dir"] is None:
        scheme = Path(values["dataset_dir"]).resolve()
        name = scheme.parent.name if scheme.name[0].isdigit() else scheme.name
        values["run_dir"] = f"runs/{name}-{values['backbone'].lower()}"
    return Config(**values)


def run(config: Config) -> None:
    """Trains (or goes on), evaluates the best model, and writes the report."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's notes about itself would drown ours
    logging.set_verbosity(logging.WARNING)
    # Imported here: --help and a wrong flag answer before TensorFlow is loaded.
    from pipeline.dataset.dataset import Dataset

    dataset = Dataset.open(config.dataset_dir)
    from trainer.evaluate import evaluate_run, table
    from trainer.report import write_report
    from trainer.run.folder import RunFolder
    from trainer.training.loop import train

    folder = RunFolder(config.run_dir)
    folder.path.mkdir(parents=True, exist_ok=True)
    throughput, is_chief = train(config, folder, dataset)
    if not is_chief:
        return
    results = evaluate_run(folder, dataset, config.batch_size, throughput)
    report = write_report(folder)
    say(table(results, "test"))
    say(f"Results: {folder.results}\nReport:  {report}")


def _command(argv: list[str]) -> int:
    if len(argv) > 1:
        raise app.UsageError(f"Expected flags only. Received {' '.join(argv[1:])}.")
    try:
        run(config_from_flags())
    except InterruptedRunError as stop:
        complain(stop)
        return 128 + stop.signal
    return 0


@command(RESUMES)
def main(argv: list[str] | None = None) -> None:
    """The command line."""
    app.run(_command, argv)


if __name__ == "__main__":
    sys.exit(main())
