"""python -m benchmarks.gpu: what a GPU makes of this project, in one command of a few minutes, to paste and compare.

device    its name, memory and compute capability, and the precision that --precision=auto takes
recipes   of every recipe in trainer/recipes, a few steps: examples/s fed by the input pipeline beside the same batch
          again and again, the share of time that the step waited, for reading or for decoding; peak device memory
          beside what the preflight estimates; with and without --jit for t4_best and mobilenet_crop64
resume    a run with strong augmentation, stopped by SIGTERM and resumed, beside one that was left alone: the same
          weights bit by bit, with --deterministic

Records are synthetic, weights random: nothing is downloaded. Without a GPU it says so; --cpu runs a small part of it on
the processor, to see its form.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from absl import flags as absl_flags

from benchmarks import synthetic
from benchmarks.measure import Failed, run, save, table
from trainer.config import Config, define_flags
from trainer.main import config_from_flags
from trainer.run.folder import RunFolder
from trainer.series import recipe

TWICE = ("t4_best", "mobilenet_crop64")  # with and without --jit
NO_GPU = (
    "TensorFlow sees no GPU here. On a machine that has one: pip install -e '.[train,gpu]', and look at nvidia-smi. "
    "--cpu runs a small part of this on the processor."
)
MOST = (300.0, float("inf"))  # seconds and MiB of a recipe
SMALL = (
    "--backbone=ResNet8",
    "--batch_size=16",
    "--epochs=2",
    "--augment=strong",
    "--random_resized_crop",
    "--ema=0.9",
)


def describe_device() -> dict[str, Any]:
    """The device that runs compute on, and its precision."""
    import tensorflow as tf

    from trainer.training.devices import resolve_precision

    gpus = tf.config.list_physical_devices("GPU")
    details = tf.config.experimental.get_device_details(gpus[0]) if gpus else {"device_name": "CPU"}
    return {
        "device": details.get("device_name", "GPU"),
        "devices": len(gpus),
        "compute_capability": ".".join(map(str, details.get("compute_capability", ()))),
        "precision": resolve_precision("auto"),
        "tensorflow": tf.__version__,
    }


def parse(words: list[str]) -> Config:
    """The config of a command line of trainer.main."""
    values = absl_flags.FlagValues()
    define_flags(values)
    values(["trainer.main", *words])
    return config_from_flags(values)


def take_steps(config: Config, steps: int) -> dict[str, Any]:
    """A few steps of a run, streamed and from memory.

    Returns:
      Rates in examples/s, shares of time waited, MiB of device memory: peak, and as estimated before.
    """
    import tensorflow as tf

    from pipeline.dataset.dataset import Dataset
    from trainer.data.stream import Waits, training_batches
    from trainer.training import preflight
    from trainer.training import run as runs

    made = runs.assemble(config, RunFolder(config.run_dir), Dataset.open(config.dataset_dir))
    waits = Waits()
    streamed = training_batches(made.stream, 0, epochs=10**6, deliver=made.place.deliver, waits=waits)

    def timed(batches: Any) -> float:
        started = time.perf_counter()
        for _ in range(steps):
            made.steps.train(next(batches), (False, False), frozen=False, gathered=1, update=True)
        return time.perf_counter() - started

    first = next(streamed)
    timed(itertools.repeat(first))  # compiles
    waits.reading = waits.making = 0.0
    seconds, held = timed(streamed), timed(itertools.repeat(first))
    estimate = preflight.estimate(
        made.stream,
        made.network,
        slots=sum(4 * int(tf.size(variable.value)) for variable in made.optimizer.variables),
        averaged=made.average is not None,
        accumulated=config.accumulate_steps > 1,
        replicas=1,
        half=made.started_with["precision"] != "float32",
    )
    gpu = bool(tf.config.list_logical_devices("GPU"))
    examples = steps * config.batch_size
    return {
        "precision": made.started_with["precision"],
        "streamed": examples / seconds,
        "held": examples / held,
        "waited_reading": waits.reading / seconds,
        "waited_decoding": waits.making / seconds,
        "peak_mib": tf.config.experimental.get_memory_info("GPU:0")["peak"] / 2**20 if gpu else None,
        "estimated_mib": estimate.compute / 2**20,
    }


def measure_recipe(name: str, datasets: Path, scratch: Path, steps: int, more: list[str]) -> dict[str, Any]:
    """`take_steps` of a recipe in a process of its own, so that none remembers what another took."""
    held = recipe.read(recipe.RECIPES / f"{name}.flags")
    folder = datasets / held.scheme.name
    if not folder.exists():
        synthetic.make(folder, 240, held.scheme.name, held_out=4, encoding="jpeg" if held.scheme.size > 256 else "raw")
    words = [f"--flagfile={held.path}", f"--dataset_dir={folder}", f"--run_dir={scratch / name}", "--weights=none"]
    words += ["--train=all", "--backbone_rate=1", "--thaw=1", "--freeze_epochs=0", *more]
    command = [sys.executable, "-m", "benchmarks.gpu", f"--steps={steps}", "--one", *words]
    try:
        done = run(command, MOST)
    except Failed as failed:
        return {"failed": failed.reason}
    return {"failed": done.stopped} if done.stopped else dict(json.loads(done.stdout.splitlines()[-1]))


def resume_exactly(scratch: Path) -> dict[str, Any]:
    """Whether a run that SIGTERM stopped ends with the weights of one that was left alone."""
    from trainer.training import checkpoint

    folder = synthetic.make(scratch / "resumed", 60, "crop32x8", held_out=10)

    def command(name: str) -> list[str]:
        where = (f"--dataset_dir={folder}", f"--run_dir={scratch / name}", "--checkpoint_every=5")
        return [sys.executable, "-m", "trainer.main", *where, *SMALL, "--deterministic"]

    stopped = subprocess.Popen(command("stopped"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while checkpoint.newest_path(scratch / "stopped" / "checkpoints") is None and stopped.poll() is None:
        time.sleep(0.05)
    stopped.send_signal(signal.SIGTERM)
    status = stopped.wait()
    found = checkpoint.newest(scratch / "stopped" / "checkpoints")
    digests = []
    for name in ("stopped", "alone"):
        subprocess.run(command(name), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        last = checkpoint.newest(scratch / name / "checkpoints")
        assert last is not None
        digest = hashlib.sha256()
        for variable in sorted(last.arrays):
            digest.update(last.arrays[variable].tobytes())
        digests.append(digest.hexdigest())
    at = found.state["progress"]["step"] if found else 0
    return {"exit_status": status, "stopped_at_step": at, "same_weights": digests[0] == digests[1]}


def main() -> None:
    """Measures, prints a table, writes benchmarks/results/gpu.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cpu", action="store_true", help="a small part, on the processor")
    parser.add_argument("--steps", type=int, default=20, help="of each recipe, compiling left out")
    parser.add_argument("--one", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)  # what each process measures
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(take_steps(parse(arguments.one), arguments.steps)))
        return
    device = describe_device()
    if not device["devices"] and not arguments.cpu:
        raise SystemExit(NO_GPU)
    print(", ".join(f"{name} {value}" for name, value in device.items() if value), flush=True)
    names = ["quickstart"] if arguments.cpu else sorted(path.stem for path in recipe.RECIPES.glob("*.flags"))
    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory(prefix="morelli-gpu-") as held:
        scratch = Path(held)
        for name in names:
            for jit in (False, True) if name in TWICE else (False,):
                title = f"{name}, --jit" if jit else name
                found[title] = measure_recipe(name, scratch / "data", scratch, arguments.steps, ["--jit"] * jit)
                save("gpu", {"device": device, "recipes": found})
                print(" | ".join(_row(title, found[title])), flush=True)
        resumed = resume_exactly(scratch)
    header = [
        "recipe",
        "precision",
        "examples/s",
        "of one batch",
        "waited to read",
        "to decode",
        "peak MiB",
        "estimated",
    ]
    print(f"\n{device['device']}, TensorFlow {device['tensorflow']}\n")
    print(table(header, [_row(*each) for each in found.items()]))
    print(
        f"\nSIGTERM at step {resumed['stopped_at_step']} (exit status {resumed['exit_status']}), resumed: "
        f"{'the same weights' if resumed['same_weights'] else 'OTHER WEIGHTS'} as a run left alone."
    )
    print(f"Written to {save('gpu', {'device': device, 'recipes': found, 'resume': resumed})}")
    if not resumed["same_weights"]:
        raise SystemExit(1)


def _row(title: str, seen: dict[str, Any]) -> list[str]:
    if "failed" in seen:
        return [title, f"failed: {seen['failed']}", *[""] * 6]
    share = seen["streamed"] / seen["held"]
    waits = [f"{seen[name]:.1%}" for name in ("waited_reading", "waited_decoding")]
    peak = f"{seen['peak_mib']:.0f}" if seen["peak_mib"] is not None else "-"
    return [
        title,
        seen["precision"],
        f"{seen['streamed']:.0f}",
        f"{share:.3f}",
        *waits,
        peak,
        f"{seen['estimated_mib']:.0f}",
    ]


if __name__ == "__main__":
    main()
