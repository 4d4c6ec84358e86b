"""python -m benchmarks.train: what streaming costs a training step, what resuming costs, and whether memory stays flat.

stream   examples/s of MobileNet at 64 px fed by the input pipeline, against the same step fed one batch from memory
         again and again; rounds alternate, ratios are taken within a round. With --augment=none and light.
resume   seconds to the first batch at several steps of an epoch of 135,000 records, model building left out
memory   peak resident memory of a training process on 1,000 and on 20,000 paintings of 16 crops. It takes some
         steps of training, then reads the rest of the epoch without training, since it is reading that could grow,
         then validates.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import synthetic
from benchmarks.measure import run, save, spread, table
from pipeline import records

BATCH = 128
EPOCH_RECORDS = 135_000
SAMPLES = 16
FEW, MANY = 1_000, 20_000
MEMORY_SHUFFLE_MIB = 256  # the default; a third of it is smaller than either dataset
MEMORY_STEPS = 20


def _steps(dataset: Path, backbone: str, epoch_steps: int = 1000) -> Any:
    """A training step as `--backbone` with defaults makes it."""
    from trainer import devices, models, objective
    from trainer.steps import Steps

    devices.seed_everything(0, deterministic=False)
    place = devices.find_place("none", BATCH)
    contract = records.read_contract(dataset)
    size = contract.scheme.size
    network = models.build(models.Design(backbone, size, size, len(contract.labels), 0.2, grayscale=False))
    average = models.build(models.Design(backbone, size, size, len(contract.labels), 0.2, grayscale=False))
    schedule = objective.Schedule(1e-3, 0, epoch_steps, cosine=True)
    optimizer = objective.optimizer("adamw", schedule, 0.05, 1.0, network.model.trainable_variables, loss_scaling=False)
    return Steps(place, network, average, 0.999, objective.Objective(0.1), 0.0, optimizer, 1, jit=False)


def _take(steps: Any, batch: Any) -> None:
    steps.train(batch, (False, False), frozen=False, gathered=1, update=True)


def stream(dataset: Path, rounds: int, each: int) -> dict[str, dict[str, list[float]]]:
    """Examples/s by augmentation and source, round by round; `each` steps a round."""
    from trainer.input import Stream, training_batches

    steps = _steps(dataset, "MobileNet")
    contract = records.read_contract(dataset)
    seen: dict[str, dict[str, list[float]]] = {}
    for augment in ("none", "light"):
        flow = Stream(dataset, contract, BATCH, shuffle_mib=256, seed=0, augmentation=augment)
        batches = itertools.chain.from_iterable(training_batches(flow, epoch) for epoch in itertools.count())
        held = next(batches)
        _take(steps, held)  # compiles
        rates: dict[str, list[float]] = {"streamed": [], "from memory": []}
        sources = {"streamed": batches, "from memory": itertools.repeat(held)}
        for _ in range(rounds):
            for name, source in sources.items():
                begun = time.perf_counter()
                for _ in range(each):
                    _take(steps, next(source))
                rates[name].append(each * BATCH / (time.perf_counter() - begun))
            print(f"--augment={augment}: " + ", ".join(f"{name} {values[-1]:.1f}/s" for name, values in rates.items()))
        seen[augment] = rates
    return seen


def resume(dataset: Path) -> dict[int, float]:
    """Seconds from nothing to the first batch, by the step it belongs to."""
    from trainer.input import Stream, training_batches

    flow = Stream(dataset, records.read_contract(dataset), BATCH, shuffle_mib=256, seed=0, augmentation="light")
    last = flow.steps_per_epoch - 1
    found = {}
    for step in (0, last // 4, last // 2, last * 3 // 4, last):
        begun = time.perf_counter()
        next(iter(training_batches(flow, 0, step)))
        found[step] = time.perf_counter() - begun
    return found


def consume(dataset: Path) -> None:
    """What a process whose memory is measured does; prints its own peak, in MiB."""
    from trainer import attribution, progress
    from trainer.input import Stream, evaluation_batches, training_batches

    steps = _steps(dataset, "MobileNetV3Small")
    contract = records.read_contract(dataset)
    flow = Stream(dataset, contract, BATCH, MEMORY_SHUFFLE_MIB, seed=0, augmentation="light")
    for number, batch in enumerate(training_batches(flow, 0)):
        if number < MEMORY_STEPS:
            _take(steps, batch)
    scored = (
        {
            "painting_id": batch["painting_id"].numpy().tolist(),
            "label": batch["label"].numpy(),
            "scores": steps.scores(batch["image"]).numpy(),
        }
        for batch in evaluation_batches(dataset, "validation", BATCH)
    )
    attribution.gather(scored, contract.scheme.samples)
    print(json.dumps(progress.peak_rss_mib()))


def memory(scratch: Path, rounds: int) -> dict[int, list[float]]:
    """Number of paintings -> peak MiB, round by round."""
    peaks: dict[int, list[float]] = {FEW: [], MANY: []}
    for paintings in peaks:
        held_out = paintings // 10
        synthetic.make(scratch / f"memory-{paintings}", paintings - 2 * held_out, f"crop64x{SAMPLES}", held_out)
    for number in range(rounds):
        for paintings, values in peaks.items():
            measured = run([sys.executable, "-m", "benchmarks.train", f"--consume={scratch / f'memory-{paintings}'}"])
            values.append(float(measured.stdout))
        print(
            f"round {number + 1}: " + ", ".join(f"{count:,}: {values[-1]:.0f} MiB" for count, values in peaks.items())
        )
    return peaks


def main() -> None:
    """Measures, prints tables, writes benchmarks/results/train.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--consume", type=Path, help=argparse.SUPPRESS)  # the process that `memory` watches
    arguments = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if arguments.consume:
        consume(arguments.consume)
        return
    rounds, each = (3, 6) if arguments.quick else (5, 16)
    scratch = Path(tempfile.mkdtemp(prefix="morelli-train-"))
    try:
        epoch = synthetic.make(scratch / "epoch", EPOCH_RECORDS // SAMPLES)
        resumed = resume(epoch)
        streamed = stream(epoch, rounds, each)
        peaks = memory(scratch, 1 if arguments.quick else 3)
    finally:
        shutil.rmtree(scratch)
    rows = []
    ratios = {}
    for augment, rates in streamed.items():
        pairs = zip(rates["streamed"], rates["from memory"], strict=True)
        ratios[augment] = statistics.median(flow / held for flow, held in pairs)
        rows.append([augment, spread(rates["streamed"]), spread(rates["from memory"]), f"{ratios[augment]:.3f}"])
    growth = statistics.median(peaks[MANY]) / statistics.median(peaks[FEW])
    print(f"\nMobileNet, 64 px, batches of {BATCH}, {os.cpu_count()} cores, median of {rounds} rounds\n")
    print(table(["augment", "streamed, examples/s", "from memory", "ratio (target 0.97)"], rows))
    print(f"\nseconds to the first batch at a step of {EPOCH_RECORDS:,} records (target 5)\n")
    print(table([str(step) for step in resumed], [[f"{seconds:.2f}" for seconds in resumed.values()]]))
    print(f"\npeak MiB of training by number of paintings: {growth:.3f} times (target 1.05)\n")
    print(table([f"{count:,}" for count in peaks], [[spread(values) for values in peaks.values()]]))
    results = {"streamed": streamed, "ratios": ratios, "resume_seconds": resumed, "peak_mib": peaks, "growth": growth}
    print(f"\nWritten to {save('train', results)}")


if __name__ == "__main__":
    main()
