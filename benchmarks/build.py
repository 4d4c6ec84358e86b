"""python -m benchmarks.build: building beside its peers and beside libjpeg-turbo's limit, in speed and in memory.

Speed: paintings per second of whole commands, interpreter start included, ours and those of benchmarks/builders, in
turn; ratios are taken within a round: a busy machine slows all. Ours also surveys, splits by painting, checksums, syncs
and can be resumed; copies are kept, since the gallery consists of them. The limit is Pillow's `load` of the same
files, nothing else, in as many processes. Beside it stand our phases: "writing", start of Beam and workers included,
and the survey, which a second scheme does not repeat. Since that start weighs the more the fewer paintings there are,
ours is also measured on more of them, beside the limit alone.

Memory: highest sum of resident memory over all processes of a command, against the number of paintings, which are
smaller here: what is written, and held, weighs the same. Who takes too long or too much is stopped; the peak until then
is a lower bound.

Set PAINTINGS_DIR to measure on real paintings (PAINTINGS_DIR/kaggle_subset/**/*.jpg, for memory masters/**/*.jpg);
without it, the embedded gallery.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil
from PIL import Image

from benchmarks.builders import CANNOT, PEERS
from benchmarks.galleries import multiply, originals, small_originals
from benchmarks.measure import NAMES, Failed, Measured, available, run, save, spread, table

CROPS, RESHAPE = "crop64x16", "reshape256"
OURS, LIMIT, WRITING, SURVEY = "morelli", "limit", "writing", "survey"
LIMIT_CHUNK = 16
ENDLESS = (math.inf, math.inf)  # seconds and MiB
MANY = 4000  # paintings, where the start weighs less
MOST_SECONDS = 30  # of a build whose memory is measured
MOST_MEMORY = 0.6  # of the machine's, likewise
FLAGS = {CROPS: ("--crop=64", "--samples=16"), RESHAPE: ("--reshape=256",)}

Rounds = dict[str, list[float]]


def _load(path: str) -> None:
    with Image.open(path) as image:
        image.load()


def limit(paths: list[str], workers: int) -> float:
    """Paintings per second of decoding alone."""
    with multiprocessing.get_context("fork").Pool(workers) as pool:
        pool.map(_load, paths[: 2 * workers])  # the processes are up
        started = time.monotonic()
        pool.map(_load, paths, chunksize=LIMIT_CHUNK)
        return len(paths) / (time.monotonic() - started)


def command(contender: str, data: Path, output: Path, scheme: str, workers: int) -> list[str]:
    """That builds a dataset with ours or a peer."""
    python = [sys.executable, "-m"]
    if contender == OURS:
        own = ("--dedup=off", f"--workers={workers}", *FLAGS[scheme])
        return [*python, "pipeline.build", f"--data_dir={data}", f"--output_dir={output}", *own]
    places = (f"--data={data}", f"--output={output}", f"--scheme={scheme}", f"--workers={workers}")
    return [*python, "benchmarks.builders", contender, *places]


def build(
    contender: str, data: Path, output: Path, scheme: str, workers: int, most: tuple[float, float] = ENDLESS
) -> Measured:
    """A build from nothing; `most` is for `run`. Raises Failed where a peer fails."""
    shutil.rmtree(output, ignore_errors=True)
    try:
        return run(command(contender, data, output, scheme, workers), most)
    finally:
        shutil.rmtree(output, ignore_errors=True)


def phases(built: Measured, paintings: int) -> dict[str, float]:
    """Paintings per second of our phases, as the build reports them: of writing, and of all else, mostly the survey."""
    match = re.search(r"([\d,]+) paintings/s while writing, ([\d.]+) s in all", built.stdout)
    assert match, built.stdout
    writing = float(match[1].replace(",", ""))
    return {WRITING: writing, SURVEY: paintings / (float(match[2]) - paintings / writing)}


class Trial:
    """Builds by all contenders that can, round by round; who cannot is put on record with the reason."""

    def __init__(self, scratch: Path, workers: int, absent: dict[str, str]) -> None:
        """`scratch` holds what is built, while it is."""
        self.not_run = dict(absent)
        self.stopped: dict[str, dict[int, str]] = {}
        self._output, self._workers = scratch / "built", workers

    def contenders(self, among: Iterable[str], scheme: str) -> list[str]:
        """Those that still run, and can make such pictures."""
        return [name for name in among if name not in self.not_run and (name, scheme) not in CANNOT]

    def build(self, contender: str, data: Path, scheme: str, most: tuple[float, float] = ENDLESS) -> Measured | None:
        """A measured build; None where the contender fails."""
        try:
            return build(contender, data, self._output, scheme, self._workers, most)
        except Failed as failed:
            if contender == OURS:
                raise
            self.not_run[contender] = failed.reason
            return None

    def speed(self, data: Path, scheme: str, rounds: int, peers: Iterable[str] = PEERS) -> dict[str, dict[str, Any]]:
        """Contender -> "rates" (paintings per second), "of_limit", "ours_is" (times), "peak_mib", each by round."""
        paths = [str(path) for path in sorted(data.rglob("*.jpg"))]
        peers = self.contenders(peers, scheme)
        rates: Rounds = {name: [] for name in (LIMIT, OURS, WRITING, SURVEY, *peers)}
        peaks: Rounds = {name: [] for name in (OURS, *peers)}
        limit(paths, self._workers)  # the files are in the page cache
        for number in range(rounds):
            rates[LIMIT].append(limit(paths, self._workers))
            for name in (OURS, *self.contenders(peers, scheme)):
                if (built := self.build(name, data, scheme)) is None:
                    continue
                rates[name].append(len(paths) / built.seconds)
                peaks[name].append(built.peak_mib)
                if name == OURS:
                    for phase, rate in phases(built, len(paths)).items():
                        rates[phase].append(rate)
            said = ", ".join(f"{name} {values[-1]:.0f}" for name, values in rates.items() if values)
            print(f"{scheme}, {len(paths):,} paintings, round {number + 1}, paintings/s: {said}", flush=True)
        return {
            name: {
                "rates": some,
                "of_limit": [rate / best for rate, best in zip(some, rates[LIMIT], strict=True)],
                "ours_is": [own / rate for own, rate in zip(rates[OURS], some, strict=True)],
                "peak_mib": peaks.get(name),
            }
            for name, some in rates.items()
            if len(some) == rounds
        }

    def memory(
        self, sources: list[Path], scratch: Path, sizes: list[int], among: list[str]
    ) -> dict[str, dict[int, float]]:
        """Contender -> number of paintings -> peak MiB of its process tree; more are only for who could do fewer."""
        most = (MOST_SECONDS, MOST_MEMORY * psutil.virtual_memory().total / 2**20)
        peaks: dict[str, dict[int, float]] = {name: {} for name in self.contenders(among, CROPS)}
        for size in sizes:
            data = multiply(sources, size, scratch / f"gallery-{size}")
            for name in self.contenders(among, CROPS):
                if name in self.stopped:
                    continue
                if built := self.build(name, data, CROPS, ENDLESS if name == OURS else most):
                    peaks[name][size] = built.peak_mib
                    if built.stopped:
                        self.stopped[name] = {size: built.stopped}
            shutil.rmtree(data)
            said = ", ".join(f"{name} {some[size]:.0f}" for name, some in peaks.items() if size in some)
            print(f"{size:,} paintings, peak MiB: {said}", flush=True)
        return peaks


def speed_table(contenders: dict[str, dict[str, Any]]) -> str:
    """Of what `Trial.speed` returns."""
    rows = []
    for contender, some in contenders.items():
        figures = [spread(some["rates"]), spread(some["of_limit"], 2), spread(some["ours_is"], 2)]
        rows.append([NAMES.get(contender, contender), *figures, spread(some["peak_mib"]) if some["peak_mib"] else ""])
    return table(["builder", "paintings/s", "of the limit", "ours is, times", "peak MiB"], rows)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.build", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick", action="store_true", help="one round of crops, fewer paintings for memory; two minutes"
    )
    parser.add_argument("--only", choices=("speed", "memory"))
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=list(PEERS), help="default: all")
    parser.add_argument("--paintings", type=int, default=700, help="for speed; 8446 are the reference set")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--scratch", type=Path, help="where the galleries go (10 GB; default: the temporary folder)")
    flags = parser.parse_args()
    versions, absent = available(PEERS)
    absent |= {peer: "not asked for" for peer in PEERS if peer not in flags.peers}
    paintings = flags.paintings
    rounds, schemes, sizes = (1, [CROPS], [250, 1000]) if flags.quick else (flags.rounds, [*FLAGS], [1000, 4000, 16000])
    growing = ["tfds_beam"] if flags.quick else list(PEERS)
    speed: dict[str, dict[str, Any]] = {}
    many: dict[str, Any] = {}
    memory: dict[str, dict[int, float]] = {}
    with tempfile.TemporaryDirectory(dir=flags.scratch) as name:
        scratch = Path(name)
        sources = originals(scratch)
        trial = Trial(scratch, flags.workers, absent)
        if flags.only != "memory":
            data = multiply(sources, paintings, scratch / "gallery")
            for scheme in schemes:
                speed[scheme] = trial.speed(data, scheme, rounds)
            shutil.rmtree(data)
            if not flags.quick:
                data = multiply(sources, MANY, scratch / "many")
                many = trial.speed(data, CROPS, rounds, ())
                shutil.rmtree(data)
        if flags.only != "speed":
            memory = trial.memory(small_originals(scratch), scratch, sizes, [OURS, *growing])
    for scheme, contenders in speed.items():
        print(f"\n{scheme}, {paintings:,} paintings, {flags.workers} workers, median (range) of {rounds}\n")
        print(speed_table(contenders))
    if many:
        print(f"\n{CROPS}, {MANY:,} paintings, {flags.workers} workers, median (range) of {rounds}\n")
        print(speed_table(many))
    if memory:
        rows = []
        for name, some in memory.items():
            notes = {size: f", {why}" for size, why in trial.stopped.get(name, {}).items()}
            rows.append(
                [NAMES[name], *(f"{some[size]:.0f}{notes.get(size, '')}" if size in some else "" for size in sizes)]
            )
        print(f"\n{table(['peak MiB at', *(f'{size:,}' for size in sizes)], rows)}")
        own = memory[OURS]
        print(f"ours at {sizes[-1]:,} paintings is {own[sizes[-1]] / own[sizes[0]]:.3f} of that at {sizes[0]:,}")
    for (peer, scheme), reason in CANNOT.items():
        print(f"{peer}: not in {scheme}: {reason}")
    for peer, reason in trial.not_run.items():
        print(f"{peer}: not run: {reason}")
    results = {
        "versions": {"Pillow": metadata.version("Pillow"), **versions},
        "not_run": trial.not_run,
        "workers": flags.workers,
        "paintings": paintings,
        "speed": speed,
        "many": {"paintings": MANY, "speed": many},
        "memory": memory,
        "stopped": trial.stopped,
    }
    print(f"written to {save('build', results)}")


if __name__ == "__main__":
    main()
