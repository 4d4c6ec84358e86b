"""python -m benchmarks.read: feeding shuffled crops to a training step, this project beside its peers.

The same records from the page cache, shuffled, as batches of uint8 pictures with labels: 128 of 64 px, 32 of 256 px.
Each reader runs in a process of its own, in turn, the number of its worker processes chosen beforehand by measurement,
at 64 px.
Rates are sustained ones, over epochs without end, once as many records as fit a shuffle buffer are read; the first
batch stands beside them in seconds, imports included; memory is that of the whole process tree. Ratios are taken within
a round: a busy machine slows all.

"limit" reads the same shards through TFRecordDataset, in batches, neither shuffled nor parsed.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measure import NAMES, Failed, available, run, save, spread, table
from benchmarks.readers import LIMIT, OURS, PEERS, TUNED
from pipeline.atelier.gallery import write_gallery
from pipeline.dataset.dataset import Dataset, find_dataset


@dataclass(frozen=True, slots=True)
class Load:
    """What is read.

    Attributes:
      scheme: of the dataset.
      flags: of pipeline.build.
      batch: pictures.
    """

    scheme: str
    flags: tuple[str, ...]
    batch: int


LOADS = {
    "64 px": Load("crop64x512", ("--crop=64", "--samples=512"), 128),
    "256 px": Load("crop256x32", ("--crop=256", "--samples=32"), 32),
}
PAINTINGS = 60


def make_dataset(load: Load, folder: Path) -> int:
    """Builds a dataset with the project's own builder into folder/dataset; returns its training records."""
    if not (gallery := folder.parent / "gallery").exists():
        write_gallery(gallery, paintings=PAINTINGS)
    command = [sys.executable, "-m", "pipeline.build", f"--data_dir={gallery}", f"--output_dir={folder}", *load.flags]
    subprocess.run([*command, "--splits=90/5/5", "--dedup=off"], check=True, stdout=subprocess.DEVNULL)
    Path(find_dataset(folder / load.scheme)).rename(folder / "dataset")
    return Dataset.open(folder / "dataset").contract.records("train")


class Trial:
    """Readers that can read; who cannot is put on record with the reason."""

    def __init__(self, folder: Path, batch: int, seconds: float, tuned: dict[str, int], absent: dict[str, str]) -> None:
        """`folder` holds the dataset, and what the peers make of it; who is not `tuned` yet will be."""
        self.not_run = dict(absent)
        self.workers = dict(tuned)
        self._folder, self._batch, self._seconds = folder, batch, seconds

    def prepare(self) -> None:
        """Writes the peers' files, and chooses how many processes each reads in."""
        for name in (name for name in PEERS if name not in self.not_run):
            if self._run(name, "--prepare") is None:
                continue
            rates = {}
            for workers in TUNED.get(name, ()) if name not in self.workers else ():
                if seen := self.read(name, workers):
                    rates[workers] = seen["rate"]
            if rates:
                self.workers[name] = max(rates, key=lambda workers: rates[workers])

    def read(self, name: str, workers: int | None = None) -> dict[str, float] | None:
        """Rate, first_batch_s and peak_mib of a reader; None where it fails."""
        workers = self.workers.get(name, 0) if workers is None else workers
        flags = (f"--batch={self._batch}", f"--workers={workers}", f"--seconds={self._seconds}")
        if (measured := self._run(name, *flags)) is None:
            return None
        return {**json.loads(measured.stdout.splitlines()[-1]), "peak_mib": measured.peak_mib}

    def _run(self, name: str, *flags: str) -> Any:
        try:
            command = [sys.executable, "-m", "benchmarks.readers", name, f"--folder={self._folder}", *flags]
            return run(command, TF_CPP_MIN_LOG_LEVEL="3")
        except Failed as failed:
            if name in (OURS, LIMIT):
                raise
            self.not_run[name] = failed.reason
            return None


def measure(trial: Trial, rounds: int) -> dict[str, dict[str, Any]]:
    """Reader -> "rates", "ours_is" (times), "of_limit", "first_batch_s", "peak_mib", each by round; and "workers"."""
    trial.prepare()
    trial.read(OURS)  # the files are in the page cache
    seen: dict[str, list[dict[str, float]]] = {}
    for number in range(1, rounds + 1):
        for name in (OURS, LIMIT, *PEERS):
            if name not in trial.not_run and (read := trial.read(name)):
                seen.setdefault(name, []).append(read)
        print(
            f"round {number}: " + ", ".join(f"{name} {some[-1]['rate']:.0f}/s" for name, some in seen.items()),
            flush=True,
        )
    rates = {name: [each["rate"] for each in some] for name, some in seen.items() if len(some) == rounds}
    return {
        name: {
            "rates": some,
            "ours_is": [own / rate for own, rate in zip(rates[OURS], some, strict=True)],
            "of_limit": [rate / best for rate, best in zip(some, rates[LIMIT], strict=True)],
            "first_batch_s": [each["first_batch_s"] for each in seen[name]],
            "peak_mib": [each["peak_mib"] for each in seen[name]],
            "workers": trial.workers.get(name, 0),
        }
        for name, some in rates.items()
    }


def main() -> None:
    """Measures, prints tables, writes benchmarks/results/read.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one round, 64 px alone; worker processes not tuned")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=list(PEERS), help="default: all")
    flags = parser.parse_args()
    versions, absent = available(PEERS)
    absent |= {peer: "not asked for" for peer in PEERS if peer not in flags.peers}
    rounds, loads = (1, {"64 px": LOADS["64 px"]}) if flags.quick else (flags.rounds, LOADS)
    speed, counts, not_run = {}, {}, dict(absent)
    tuned = {name: choices[0] for name, choices in TUNED.items()} if flags.quick else {}
    scratch = Path(tempfile.mkdtemp(prefix="morelli-read-"))
    try:
        for title, load in loads.items():
            (scratch / load.scheme).mkdir()
            counts[title] = make_dataset(load, scratch / load.scheme)
            trial = Trial(scratch / load.scheme, load.batch, 2, tuned, absent)
            speed[title] = measure(trial, rounds)
            tuned = trial.workers
            not_run |= trial.not_run
            shutil.rmtree(scratch / load.scheme)
            rows = []
            for name, some in speed[title].items():
                figures = [spread(some["rates"]), spread(some["ours_is"], 2), spread(some["of_limit"], 2)]
                beside = [f"{statistics.median(some['first_batch_s']):.1f}", spread(some["peak_mib"])]
                rows.append([NAMES.get(name, name), *figures, *beside, str(some["workers"])])
            print(f"\n{counts[title]:,} records of {title}, batches of {load.batch}, median (range) of {rounds}\n")
            header = ["reader", "records/s", "ours is, times", "of the limit", "first batch, s", "peak MiB", "workers"]
            print(table(header, rows), flush=True)
    finally:
        shutil.rmtree(scratch)
    for name, reason in not_run.items():
        print(f"{name}: not run: {reason}")
    results = {"versions": versions, "not_run": not_run, "records": counts, "speed": speed}
    print(f"written to {save('read', results)}")


if __name__ == "__main__":
    main()
