"""python -m benchmarks.train: what streaming costs a training step, what resuming costs, and whether memory stays flat.

stream   examples/s of MobileNet at 64 px and the share of time that the step waits for data, fed by the input pipeline;
         by shuffled batches of one numpy array of all crops, the original's way; and by one batch from memory again and
         again, the limit. Rounds alternate, ratios are taken within a round. With --augment=none and light.
resume   seconds to the first batch at several steps of an epoch of 135,000 records, model building left out
memory   peak resident memory of a training process by the number of paintings, of 16 crops each, streaming and from one
         numpy array, which may take 8 GiB. It takes some steps of training, then reads the rest of the epoch without
         training, since it is reading that could grow, then validates.
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
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import in_memory, synthetic
from benchmarks.measure import run, save, spread, table
from pipeline.dataset.dataset import Dataset
from trainer.data.draws import draw_chances

BATCH = 128
EPOCH_RECORDS, QUICK_EPOCH_RECORDS = 135_000, 34_000
SAMPLES = 16
SIZES = (1_000, 4_000, 8_446, 20_000)  # paintings; the third as many as the reference set has
QUICK_SIZES = (1_000, 2_000)
HELD_OUT = 100  # paintings that are validated
STREAMED, ARRAY, HELD = "streamed", "numpy array", "one batch"
EPOCHS = 1_000_000  # no end of them
ARRAY_PAINTINGS = 1_000  # enough that no cache holds them
MEMORY_SHUFFLE_MIB = 128  # half the default, so that its two windows are smaller than either dataset
MEMORY_STEPS = 5


def _steps(dataset: Path, backbone: str, augment: str = "light", epoch_steps: int = 1000) -> Any:
    """A training step as `--backbone` with defaults makes it."""
    from trainer.network import models
    from trainer.training import devices, objective
    from trainer.training.steps import Steps

    devices.seed_everything(0, deterministic=False)
    place = devices.find_place("none", BATCH)
    contract = Dataset.open(dataset).contract
    size = contract.scheme.size
    network = models.build(models.Design(backbone, size, size, len(contract.labels), 0.2, grayscale=False))
    average = models.build(models.Design(backbone, size, size, len(contract.labels), 0.2, grayscale=False))
    schedule = objective.Schedule(1e-3, 0, epoch_steps, cosine=True)
    optimizer = objective.optimizer("adamw", schedule, 0.05, 1.0, network.model.trainable_variables, loss_scaling=False)
    goal = objective.Objective(0.1)
    return Steps(place, network, average, 0.999, goal, 0.0, optimizer, 1, jit=False, augmentation=augment)


CHANCES = draw_chances(0, 0, BATCH)  # of batches that come without


def _take(steps: Any, batch: Any) -> None:
    pictures, targets, *chances = batch
    given = (pictures, targets, *(chances or [CHANCES]))
    steps.train(given, (False, False), frozen=False, gathered=1, update=True)


def stream(
    dataset: Path, augmentations: Sequence[str], rounds: int, each: int
) -> dict[str, dict[str, dict[str, list[float]]]]:
    """Augmentation -> source -> "rates", examples/s, and "waits", shares of time, by round; `each` steps a round."""
    from trainer.data.stream import Stream, training_batches

    opened = Dataset.open(dataset)
    contract = opened.contract
    images, labels = in_memory.load(dataset, ARRAY_PAINTINGS * SAMPLES)
    seen: dict[str, dict[str, dict[str, list[float]]]] = {}
    for augment in augmentations:
        steps = _steps(dataset, "MobileNet", augment)
        flow = Stream(opened, BATCH, shuffle_mib=256, seed=0)
        batches = training_batches(flow, 0, epochs=EPOCHS)
        sources: dict[str, Any] = {STREAMED: batches, HELD: itertools.repeat(next(batches))}
        if augment == "none":
            sources[ARRAY] = in_memory.batches(images, labels, len(contract.labels), BATCH)
        seen[augment] = {name: {"rates": [], "waits": []} for name in sources}
        for source in sources.values():
            _take(steps, next(source))  # compiles
        for _ in range(rounds):
            for name, source in sources.items():
                waited = 0.0
                started = time.perf_counter()
                for _ in range(each):
                    asked = time.perf_counter()
                    batch = next(source)
                    waited += time.perf_counter() - asked
                    _take(steps, batch)
                seconds = time.perf_counter() - started
                seen[augment][name]["rates"].append(each * BATCH / seconds)
                seen[augment][name]["waits"].append(waited / seconds)
            said = ", ".join(f"{name} {some['rates'][-1]:.1f}/s" for name, some in seen[augment].items())
            print(f"--augment={augment}: {said}", flush=True)
    return seen


def resume(dataset: Path) -> dict[int, float]:
    """Seconds from nothing to the first batch, by the step it belongs to."""
    from trainer.data.stream import Stream, training_batches

    flow = Stream(Dataset.open(dataset), BATCH, shuffle_mib=256, seed=0)
    last = flow.steps_per_epoch - 1
    found = {}
    for step in (0, last // 4, last // 2, last * 3 // 4, last):
        started = time.perf_counter()
        next(training_batches(flow, 0, step))
        found[step] = time.perf_counter() - started
    return found


def consume(dataset: Path, source: str) -> None:
    """What a process whose memory is measured does; prints its own peak, in MiB; null where it runs out."""
    from trainer.data.evaluation import evaluation_batches
    from trainer.data.stream import Stream, training_batches
    from trainer.judging.voting import gather
    from trainer.training.line import peak_rss_mib

    steps = _steps(dataset, "MobileNetV3Small")
    opened = Dataset.open(dataset)
    contract = opened.contract
    if source == STREAMED:
        batches = training_batches(Stream(opened, BATCH, MEMORY_SHUFFLE_MIB, 0), 0)
    else:
        in_memory.restrain()
        try:
            images, labels = in_memory.load(dataset)
        except MemoryError:
            print(json.dumps(None))
            return
        endless = in_memory.batches(images, labels, len(contract.labels), BATCH)
        batches = itertools.islice(endless, len(images) // BATCH)
    for number, batch in enumerate(batches):
        if number < MEMORY_STEPS:
            _take(steps, batch)
    scored = (
        {
            "painting_id": [name.decode("ascii") for name in batch["painting_id"]],
            "label": batch["label"],
            "scores": steps.scores(batch["image"]).numpy(),
        }
        for batch in evaluation_batches(opened, "validation", BATCH)
    )
    gather(scored, opened.crops("validation"))
    print(json.dumps(peak_rss_mib()))


def memory(scratch: Path, sizes: Sequence[int]) -> dict[str, dict[int, float | None]]:
    """Source -> number of paintings -> peak MiB; None where memory ran out."""
    peaks: dict[str, dict[int, float | None]] = {STREAMED: {}, ARRAY: {}}
    for paintings in sizes:
        dataset = synthetic.make(scratch / f"{paintings}", paintings - 2 * HELD_OUT, f"crop64x{SAMPLES}", HELD_OUT)
        for source, found in peaks.items():
            words = [sys.executable, "-m", "benchmarks.train", f"--consume={dataset}", f"--source={source}"]
            found[paintings] = json.loads(run(words).stdout.splitlines()[-1])
        shutil.rmtree(dataset)
        said = ", ".join(f"{source} {_mib(found[paintings])}" for source, found in peaks.items())
        print(f"{paintings:,} paintings, peak MiB: {said}", flush=True)
    return peaks


def _mib(peak: float | None) -> str:
    return f"out of {in_memory.LIMIT_GIB} GiB" if peak is None else f"{peak:.0f}"


def main() -> None:
    """Measures, prints tables, writes benchmarks/results/train.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one short round, smaller datasets")
    parser.add_argument("--consume", type=Path, help=argparse.SUPPRESS)  # the process that `memory` watches
    parser.add_argument("--source", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.consume:
        consume(arguments.consume, arguments.source)
        return
    epoch_records = QUICK_EPOCH_RECORDS if arguments.quick else EPOCH_RECORDS
    rounds, each, augmentations = (1, 3, ("none",)) if arguments.quick else (5, 8, ("none", "light"))
    scratch = Path(tempfile.mkdtemp(prefix="morelli-train-"))
    try:
        epoch = synthetic.make(scratch / "epoch", epoch_records // SAMPLES)
        resumed = resume(epoch)
        streamed = stream(epoch, augmentations, rounds, each)
        shutil.rmtree(epoch)
        sizes = QUICK_SIZES if arguments.quick else SIZES
        peaks = memory(scratch, sizes)
    finally:
        shutil.rmtree(scratch)
    rows = []
    ratios: dict[str, float] = {}
    for augment, sources in streamed.items():
        limit = sources[HELD]["rates"]
        for name, seen in sources.items():
            shares = [rate / best for rate, best in zip(seen["rates"], limit, strict=True)]
            if name == STREAMED:
                ratios[augment] = statistics.median(shares)
            waits = f"{statistics.median(seen['waits']):.1%}"
            rows.append([augment, name, spread(seen["rates"]), spread(shares, 3), waits])
    flat = [peak for peak in peaks[STREAMED].values() if peak]
    print(f"\nMobileNet, 64 px, batches of {BATCH}, {os.cpu_count()} cores, median of {rounds} rounds\n")
    print(table(["augment", "fed by", "examples/s", "of one batch again and again (target 0.97)", "waiting"], rows))
    print(f"\nseconds to the first batch at a step of {epoch_records:,} records (target 5)\n")
    print(table([str(step) for step in resumed], [[f"{seconds:.2f}" for seconds in resumed.values()]]))
    print(f"\npeak MiB of training by number of paintings: {flat[-1] / flat[0]:.3f} times (target 1.05)\n")
    rows = [[source, *(_mib(peak) for peak in found.values())] for source, found in peaks.items()]
    print(table(["", *(f"{count:,}" for count in sizes)], rows))
    results = {"streamed": streamed, "ratios": ratios, "resume_seconds": resumed, "peak_mib": peaks}
    print(f"\nWritten to {save('train', results)}")


if __name__ == "__main__":
    main()
