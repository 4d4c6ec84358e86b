"""python -m benchmarks.read: feeding shuffled 64 px crops to a training step, this project beside its peers.

The same records from the page cache, shuffled, as batches of uint8[128, 64, 64, 3] with labels:

    ours        trainer.input.training_batches
    tfds        tensorflow-datasets' as_dataset on the same files, shuffled and batched as its guide says
    webdataset  WebDataset on the same crops in tar files, in one process, as a step takes them without torch
    web x N     the same in one process per core, batches thrown away where they are made: what torch's DataLoader
                would reach if handing batches between processes cost nothing
    limit       the same shards through TFRecordDataset, in batches, neither shuffled nor parsed

Rounds alternate between them, and ratios are taken within a round: a busy machine slows all.
"""

from __future__ import annotations

import argparse
import io
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from multiprocessing.pool import Pool
from pathlib import Path

import numpy as np

from benchmarks.measure import save, spread, table
from pipeline import records
from pipeline.atelier import write_gallery

BATCH = 128
SHUFFLE_RECORDS = 8192  # of the peers' buffers; ours permutes 7,200 at a time (a third of 256 MiB)


def make_dataset(scratch: Path, paintings: int, samples: int) -> Path:
    """Builds a dataset of small-painting crops with the project's own builder, TFDS metadata included."""
    write_gallery(scratch / "gallery", paintings=paintings)
    command = [sys.executable, "-m", "pipeline.build", f"--data_dir={scratch / 'gallery'}", f"--output_dir={scratch}"]
    flags = ["--crop=64", f"--samples={samples}", "--splits=90/5/5", "--dedup=off"]
    subprocess.run([*command, *flags], check=True, stdout=subprocess.DEVNULL)
    return records.resolve_dataset_dir(scratch / f"crop64x{samples}")


def write_tars(dataset: Path, folder: Path) -> list[str]:
    """The training records as WebDataset shards: members KEY.pixels and KEY.cls of tar files, as many as shards."""
    import tensorflow as tf

    contract = records.read_contract(dataset)
    folder.mkdir()
    paths = []
    for number, shard in enumerate(contract.splits["train"]):
        path = folder / f"{number:05d}.tar"
        with tarfile.open(path, "w") as tar:
            batches = tf.data.TFRecordDataset(str(dataset / shard.filename)).batch(BATCH)
            members = 0
            for batch in batches:
                parsed = records.parse_batch(batch, contract)
                for image, label in zip(parsed["image"].numpy(), parsed["label"].numpy(), strict=True):
                    for suffix, content in (("pixels", image.tobytes()), ("cls", str(label).encode())):
                        info = tarfile.TarInfo(f"{number:05d}-{members:06d}.{suffix}")
                        info.size = len(content)
                        tar.addfile(info, io.BytesIO(content))
                    members += 1
        paths.append(str(path))
    return paths


def ours(dataset: Path, epoch: int) -> int:
    """Reads an epoch as training does; returns the number of records."""
    from trainer.input import Stream, training_batches

    stream = Stream(dataset, records.read_contract(dataset), BATCH, shuffle_mib=256, seed=0)
    return sum(len(images) for images, _ in training_batches(stream, epoch))


def tfds(dataset: Path, epoch: int) -> int:
    """The same with tensorflow-datasets, by https://www.tensorflow.org/datasets/performances."""
    import tensorflow as tf
    import tensorflow_datasets

    builder = tensorflow_datasets.builder_from_directory(str(dataset))
    config = tensorflow_datasets.ReadConfig(shuffle_seed=epoch)
    read = builder.as_dataset(split="train", shuffle_files=True, read_config=config)
    batches = read.shuffle(SHUFFLE_RECORDS, seed=epoch).batch(BATCH, drop_remainder=True).prefetch(tf.data.AUTOTUNE)
    return sum(len(batch["image"]) for batch in batches)


def _webdataset(paths: list[str]) -> int:
    import webdataset

    read = (
        webdataset.WebDataset(paths, shardshuffle=len(paths), seed=0, empty_check=False)
        .shuffle(SHUFFLE_RECORDS // 2)
        .to_tuple("pixels", "cls")
        .map_tuple(lambda pixels: np.frombuffer(pixels, np.uint8).reshape(64, 64, 3), int)
        .batched(BATCH)
    )
    return sum(len(images) for images, _ in read)


def web(pool: Pool, processes: int, tars: list[str]) -> int:
    """The same with WebDataset, the shards dealt to processes."""
    return sum(pool.map(_webdataset, [tars[number::processes] for number in range(processes)], chunksize=1))


def limit(dataset: Path) -> int:
    """Reads the shards and does nothing with them."""
    import tensorflow as tf

    shards = records.read_contract(dataset).splits["train"]
    paths = [str(dataset / shard.filename) for shard in shards]
    cores = os.cpu_count() or 1
    batches = tf.data.TFRecordDataset(paths, num_parallel_reads=cores).batch(BATCH).prefetch(tf.data.AUTOTUNE)
    return sum(len(batch) for batch in batches)


def rate(read: Callable[[], int]) -> float:
    """Records per second."""
    begun = time.perf_counter()
    count = read()
    return count / (time.perf_counter() - begun)


def main() -> None:
    """Measures, prints a table, writes benchmarks/results/read.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer records and rounds")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    rounds = 3 if arguments.quick else arguments.rounds
    paintings, samples = (72 if arguments.quick else 140), 1024  # an epoch of seconds: each pays its start-up once
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    processes = os.cpu_count() or 1
    scratch = Path(tempfile.mkdtemp(prefix="morelli-read-"))
    try:
        with multiprocessing.get_context("spawn").Pool(processes) as pool:
            dataset = make_dataset(scratch, paintings, samples)
            tars = write_tars(dataset, scratch / "tars")
            readers: dict[str, Callable[[int], int]] = {
                "ours": lambda epoch: ours(dataset, epoch),
                "tfds": lambda epoch: tfds(dataset, epoch),
                "webdataset": lambda epoch: web(pool, 1, tars),
                f"web x {processes}": lambda epoch: web(pool, processes, tars),
                "limit": lambda epoch: limit(dataset),
            }
            seen: dict[str, list[float]] = {name: [] for name in readers}
            for epoch in range(rounds + 1):
                for name, read in readers.items():
                    measured = rate(lambda read=read, epoch=epoch: read(epoch))  # type: ignore[misc]
                    if epoch:  # the first round fills the page cache and loads code
                        seen[name].append(measured)
                if epoch:
                    print(f"round {epoch}: " + ", ".join(f"{name} {rates[-1]:.0f}/s" for name, rates in seen.items()))
        count = records.read_contract(dataset).records("train")
    finally:
        shutil.rmtree(scratch)
    ratios = {
        name: statistics.median(our / other for our, other in zip(seen["ours"], rates, strict=True))
        for name, rates in seen.items()
    }
    rows = [[name, spread(rates), f"{ratios[name]:.2f}"] for name, rates in seen.items()]
    print(f"\n{count:,} records of 64 px, batches of {BATCH}, {processes} cores, median of {rounds} rounds\n")
    print(table(["reader", "records/s", "ours / it"], rows))
    path = save("read", {"records": count, "rounds": rounds, "rates": seen, "ratios": ratios})
    print(f"\ntargets: tfds 3, webdataset 5, limit 0.7. Written to {path}")


if __name__ == "__main__":
    main()
