"""python -m benchmarks.feed: augmented pictures to a step that does nothing, this project beside its peers.

Records per second, of 64 px raw, 256 px raw, and 512 px JPEG seen at 256 px, at four levels of augmentation (none,
light, strong, strong with random windows), on one core and on two. Each feeder runs in a process of its own, in turn;
ratios are taken within a round. "decoding" is the limit: the same records decoded whole by libjpeg-turbo, or copied,
by as many threads as cores, and nothing else. Peers augment on the processor; this project does so in its step, on the
device: what that costs where the device is this processor stands below the table.

How many cores a T4 needs: --rate says how many pictures a second the step takes (of `python -m benchmarks.gpu`).
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.feeders import LEVELS, LIMIT, OURS, PEERS
from benchmarks.measure import Failed, available, run, save, spread, table
from pipeline.atelier.gallery import write_gallery
from pipeline.dataset.dataset import find_dataset


@dataclass(frozen=True, slots=True)
class Load:
    """What is fed.

    Attributes:
      scheme: of the dataset.
      flags: of pipeline.build.
      side: of the pictures that the step takes.
      batch: pictures.
    """

    scheme: str
    flags: tuple[str, ...]
    side: int
    batch: int


LOADS = {
    "64 px raw": Load("crop64x64", ("--crop=64", "--samples=64", "--encoding=raw"), 64, 128),
    "256 px raw": Load("crop256x8", ("--crop=256", "--samples=8", "--encoding=raw"), 256, 32),
    "512 px JPEG to 256": Load("crop512x4", ("--crop=512", "--samples=4", "--encoding=jpeg"), 256, 32),
}
PAINTINGS = 120
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", "NO_ALBUMENTATIONS_UPDATE": "1"}
MOST = (90.0, math.inf)  # seconds and MiB of a feeder


def measure(folder: Path, load: Load, level: str, cores: int, rounds: int, peers: list[str]) -> dict[str, Any]:
    """Feeder -> rates by round, or the reason why it was not run."""
    rates: dict[str, list[float]] = {}
    failed: dict[str, str] = {}
    for _ in range(rounds):
        for name in (OURS, LIMIT, *peers):
            flags = (f"--side={load.side}", f"--batch={load.batch}", f"--level={level}", f"--cores={cores}")
            command = [sys.executable, "-m", "benchmarks.feeders", name, f"--folder={folder}", *flags]
            if name in failed:
                continue
            try:
                done = run(
                    command, MOST, TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="", NO_ALBUMENTATIONS_UPDATE="1"
                )
            except Failed as error:
                if name in (OURS, LIMIT):
                    raise
                failed[name] = error.reason
                continue
            if done.stopped:
                failed[name] = done.stopped
                continue
            rates.setdefault(name, []).append(json.loads(done.stdout.splitlines()[-1])["rate"])
    return {"rates": rates, "failed": failed}


def device_rate(side: int, batch: int, level: str) -> float:
    """Pictures a second that the augmentation takes as part of a step, on this machine's processor."""
    import tensorflow as tf

    from trainer.data.draws import draw_chances
    from trainer.training.augment import augment

    pictures = tf.constant(np.random.default_rng(0).integers(0, 256, (batch, side, side, 3), np.uint8))
    targets, chances = tf.one_hot(np.arange(batch) % 50, 50), tf.constant(draw_chances(0, 0, batch))
    step = tf.function(lambda: augment(pictures, targets, chances, LEVELS[level][0]))
    step()
    started, done = time.perf_counter(), 0
    while time.perf_counter() < started + 2:
        step()
        done += batch
    return done / (time.perf_counter() - started)


def main() -> None:
    """Measures, prints tables, writes benchmarks/results/feed.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one round, 64 px, two levels, one core")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cores", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--loads", nargs="*", choices=LOADS, default=list(LOADS))
    parser.add_argument("--levels", nargs="*", choices=LEVELS, default=list(LEVELS))
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=list(PEERS))
    parser.add_argument("--data_dir", help="paintings to cut; default: the embedded gallery")
    parser.add_argument("--rate", type=float, default=500, help="pictures a second that the GPU's step takes")
    flags = parser.parse_args()
    if flags.quick:
        flags.rounds, flags.cores, flags.loads, flags.levels = 1, [1], ["64 px raw"], ["none", "windows"]
    versions, absent = available({name: PEERS[name] for name in flags.peers})
    peers = [name for name in flags.peers if name not in absent]
    scratch = Path(tempfile.mkdtemp(prefix="morelli-feed-"))
    found: dict[str, Any] = {}
    try:
        gallery = flags.data_dir or str(scratch / "gallery")
        if not flags.data_dir:
            write_gallery(Path(gallery), paintings=PAINTINGS)
        for title in flags.loads:
            load = LOADS[title]
            command = [sys.executable, "-m", "pipeline.build", f"--data_dir={gallery}", f"--output_dir={scratch}"]
            more = ("--splits=90/5/5", "--dedup=off", "--max_rejects=0.5")
            subprocess.run([*command, *load.flags, *more], check=True, stdout=subprocess.DEVNULL)
            folder = Path(find_dataset(scratch / load.scheme))
            for cores in flags.cores:
                for level in flags.levels:
                    seen = measure(folder, load, level, cores, flags.rounds, peers)
                    found[f"{title}, {level}, {cores}"] = {**seen, "load": title, "level": level, "cores": cores}
                    print(_line(title, level, cores, seen), flush=True)
                    _save(found, {}, versions, absent)
            shutil.rmtree(scratch / load.scheme)
    finally:
        shutil.rmtree(scratch)
    on_device = {
        f"{LOADS[title].side} px, {level}": device_rate(LOADS[title].side, LOADS[title].batch, level)
        for title in flags.loads
        for level in flags.levels
        if level in ("light", "strong")
    }
    for row in _tables(found, flags.rate):
        print(row)
    print("\nAugmentation in the step, this processor as the device, pictures/s:")
    print(", ".join(f"{name} {rate:,.0f}" for name, rate in on_device.items()))
    for name, reason in absent.items():
        print(f"{name}: not run: {reason}")
    print(f"written to {_save(found, on_device, versions, absent)}")


def _save(found: dict[str, Any], on_device: dict[str, float], versions: dict[str, str], absent: dict[str, str]) -> Path:
    return save("feed", {"versions": versions, "not_run": absent, "fed": found, "on_device": on_device})


def _line(title: str, level: str, cores: int, seen: dict[str, Any]) -> str:
    rates = ", ".join(f"{name} {statistics.median(some):,.0f}" for name, some in seen["rates"].items())
    failures = "".join(f"; {name} failed: {why}" for name, why in seen["failed"].items())
    return f"{title}, {level}, {cores} {'core' if cores == 1 else 'cores'}: {rates}{failures}"


def _tables(found: dict[str, Any], rate: float) -> list[str]:
    rows = []
    for seen in found.values():
        ours, limit = seen["rates"][OURS], seen["rates"][LIMIT]
        of_limit = [own / most for own, most in zip(ours, limit, strict=True)]
        others = {name: some for name, some in seen["rates"].items() if name in PEERS}
        best = max(others, key=lambda name: statistics.median(others[name]), default=None)
        times = [own / other for own, other in zip(ours, others[best], strict=True)] if best else []
        needed = rate * seen["cores"] / statistics.median(ours)
        beside = [spread(times, 2), f"{best} {spread(others[best])}"] if best else ["", ""]
        row = [seen["load"], seen["level"], str(seen["cores"]), spread(ours), spread(of_limit, 2)]
        rows.append([*row, *beside, f"{needed:.1f}"])
    header = ["records", "augmentation", "cores", "records/s", "of decoding", "times the best peer", "best peer"]
    return ["", table([*header, f"cores for {rate:.0f}/s"], rows)]


if __name__ == "__main__":
    main()
