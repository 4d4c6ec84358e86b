"""python -m benchmarks.build: speed of building against libjpeg-turbo's limit, and memory against number of paintings.

The limit is Pillow's `load` of the same files, nothing else, in as many processes. Rounds alternate limit and builds,
and ratios are taken within a round: a busy machine slows both. A build's speed is that of its writing phase, the start
of Beam and of the workers included; the survey, which a second scheme does not repeat, is reported beside it.

Set PAINTINGS_DIR to measure on real paintings (PAINTINGS_DIR/kaggle_subset/**/*.jpg); without it, the embedded gallery.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import re
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

from benchmarks.galleries import multiply, originals
from benchmarks.measure import Measured, run, save, spread, table

CROPS = ("--crop=64", "--samples=16")
RESHAPE = ("--reshape=256",)
LIMIT_CHUNK = 16
REFERENCE = 8446  # paintings of Best Artworks of All Time


def _load(path: str) -> None:
    with Image.open(path) as image:
        image.load()


def limit(paths: list[str], workers: int) -> float:
    """Paintings per second of decoding alone."""
    with multiprocessing.get_context("fork").Pool(workers) as pool:
        pool.map(_load, paths[: 2 * workers])  # the processes are up
        begun = time.monotonic()
        pool.map(_load, paths, chunksize=LIMIT_CHUNK)
        return len(paths) / (time.monotonic() - begun)


def build(data: Path, output: Path, workers: int, *scheme: str) -> Measured:
    """A build from scratch, but for the survey of an earlier one in the same folder."""
    for folder in output.glob("*/1.0.0") if output.exists() else ():
        shutil.rmtree(folder)
    flags = ("--dedup=off", f"--workers={workers}", *scheme)
    return run([sys.executable, "-m", "pipeline.build", f"--data_dir={data}", f"--output_dir={output}", *flags])


def writing_speed(built: Measured) -> float:
    """Paintings per second of the writing phase, as the build reports it."""
    match = re.search(r"([\d,]+) paintings/s while writing", built.stdout)
    assert match, built.stdout
    return float(match[1].replace(",", ""))


def speed(data: Path, scratch: Path, workers: int, rounds: int) -> dict[str, list[float]]:
    """Paintings per second of the limit, of both schemes and of the survey, round by round."""
    paths = [str(path) for path in sorted(data.rglob("*.jpg"))]
    output = scratch / "speed"
    seen: dict[str, list[float]] = {"limit": [], "crop64x16": [], "reshape256": [], "survey": []}
    limit(paths, workers)  # the files are in the page cache
    for number in range(rounds):
        shutil.rmtree(output, ignore_errors=True)
        surveyed = build(data, output, workers, "--dry_run", *CROPS)
        seen["survey"].append(len(paths) / surveyed.seconds)
        seen["limit"].append(limit(paths, workers))
        seen["crop64x16"].append(writing_speed(build(data, output, workers, *CROPS)))
        seen["reshape256"].append(writing_speed(build(data, output, workers, *RESHAPE)))
        print(f"round {number + 1}: " + ", ".join(f"{name} {values[-1]:.0f}/s" for name, values in seen.items()))
    return seen


def memory(sources: list[Path], scratch: Path, workers: int, sizes: list[int], rounds: int) -> dict[int, list[float]]:
    """Number of paintings -> peak MiB of the whole process tree over a build from nothing, round by round."""
    peaks: dict[int, list[float]] = {size: [] for size in sizes}
    for _ in range(rounds):
        for size in sizes:
            data = multiply(sources, size, scratch / f"gallery-{size}")
            output = scratch / "memory"
            shutil.rmtree(output, ignore_errors=True)
            peaks[size].append(build(data, output, workers, *CROPS).peak_mib)
            shutil.rmtree(output)
            print(f"{size:,} paintings: peak {peaks[size][-1]:.0f} MiB")
    return peaks


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser("python -m benchmarks.build", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer paintings, about two minutes")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--scratch", type=Path, help="where the galleries go (5 GB; default: the temporary folder)")
    flags = parser.parse_args()
    paintings, sizes, rounds = (2000, [500, 4000], 3) if flags.quick else (REFERENCE, [1000, 20000], 3)
    with tempfile.TemporaryDirectory(dir=flags.scratch) as name:
        scratch = Path(name)
        sources = originals(scratch)
        seen = speed(multiply(sources, paintings, scratch / "speed-gallery"), scratch, flags.workers, rounds)
        shutil.rmtree(scratch / "speed-gallery")
        peaks = memory(sources, scratch, flags.workers, sizes, 1 if flags.quick else rounds)
    ratios = {
        name: [value / best for value, best in zip(values, seen["limit"], strict=True)] for name, values in seen.items()
    }
    rows = [[name, spread(values), spread(ratios[name], 2)] for name, values in seen.items()]
    print(table(["phase", "paintings/s", "of the limit"], rows))
    print(table(["paintings", "peak MiB"], [[f"{size:,}", spread(some)] for size, some in peaks.items()]))
    medians = [statistics.median(some) for some in peaks.values()]
    print(f"memory at {sizes[-1]:,} paintings is {medians[-1] / medians[0]:.3f} of that at {sizes[0]:,}")
    results = {"workers": flags.workers, "paintings": paintings, "speed": seen, "ratios": ratios, "peak_mib": peaks}
    print(f"written to {save('build', results)}")


if __name__ == "__main__":
    main()
