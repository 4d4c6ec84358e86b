"""python -m benchmarks.scale: what a build decides, at numbers of paintings that no disk here holds.

Empty files with the names, the artists and the copies of the reference set's shape, and rows of a survey that never
was. Measured is all that looks at the whole gallery: listing it and joining it with the rows of an earlier survey
("list"), planning it ("plan"), and describing the datasets ("describe", whose shards are empty too). What grows with a
gallery besides is the workers' work, which `benchmarks.build` measures. Near copies are compared in the plan: --dedup.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import math
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import psutil

from benchmarks.measure import run, save, table
from pipeline import flags, handover, phases, shards, survey
from pipeline.dataset.contract import Shard
from pipeline.gallery.find import Candidate, find_gallery
from pipeline.pictures.limits import DEFAULT_MAX_PIXELS
from pipeline.shards import Receipt
from pipeline.storage import plain
from pipeline.survey import Row

SMALLEST, LARGEST, MEAN = 24, 877, 169  # paintings of an artist in the reference set
NEAR, EXACT, DAMAGED = 0.05, 0.005, 0.005  # shares of files that are copies of the one before, and that are rejects
PARTS = ("list", "plan", "describe")
# Bits of a hash that are free: of real paintings one pair in about 10^6 is within 64 of 256, as here, and none of bits
# that are all by chance.
FREE_BITS = 120
_WRITTEN = re.compile(r"wrote (\d+) bytes")


def artists(paintings: int) -> list[int]:
    """How many paintings each artist has: sizes between the reference set's, in equal steps of their logarithm."""
    count = max(2, round(paintings / MEAN))
    sizes = np.geomspace(SMALLEST, LARGEST, count)
    sizes = np.maximum(1, np.floor(sizes * paintings / sizes.sum())).astype(int)
    sizes[-1] += paintings - sizes.sum()
    return [int(size) for size in sizes]


def make_gallery(folder: Path, paintings: int) -> None:
    """Empty files, a folder for each artist."""
    for number, size in enumerate(artists(paintings)):
        (folder / f"Artist_{number}").mkdir(parents=True)
        for picture in range(size):
            (folder / f"Artist_{number}" / f"Artist_{number}_{picture}.jpg").touch()


def rows(candidates: Iterable[Candidate]) -> Iterator[Row]:
    """What a survey might have found in files of so many paintings: copies beside their originals, some rejects."""
    rng = np.random.default_rng(0)
    free_bits = rng.integers(0, FREE_BITS, 256)
    digest = bits = b""
    for candidate in candidates:
        kind = rng.random()
        if kind < DAMAGED:
            yield Row(**plain.dump(candidate), digest=rng.bytes(32).hex(), reason="truncated", detail="cut short")
            continue
        if kind > 1 - EXACT and digest:
            pass
        elif kind > 1 - EXACT - NEAR and bits:
            digest = rng.bytes(32)
            bits = (int.from_bytes(bits) ^ (1 << int(rng.integers(256)))).to_bytes(32)
        else:
            digest = rng.bytes(32)
            bits = np.packbits(rng.integers(0, 2, FREE_BITS, np.uint8)[free_bits]).tobytes()
        width, height = (int(side) for side in rng.integers(300, 4000, 2))
        yield Row(
            **plain.dump(candidate),
            digest=digest.hex(),
            hash=bits.hex(),
            inner=rng.bytes(32).hex(),
            look=base64.b64encode(rng.bytes(144)).decode(),
            width=width,
            height=height,
        )


def settings_of(folder: Path, dedup: str) -> flags.Settings:
    """Of a build of two schemes."""
    places = (f"--data_dir={folder / 'art'}", f"--output_dir={folder / 'out'}")
    schemes = ("--crop=64", "--samples=16", "--reshape=256")
    return flags.parse([*places, *schemes, f"--dedup={dedup}", "--max_rejects=0.1"], 2, DEFAULT_MAX_PIXELS)


def prepare(folder: Path, paintings: int, settings: flags.Settings) -> None:
    """A gallery that has been surveyed."""
    make_gallery(folder / "art", paintings)
    (folder / "scratch").mkdir()
    candidates = find_gallery(str(folder / "art")).candidates
    cache = survey.cache_folder(settings.output_dir, str(folder / "art"), settings.max_pixels)
    for _ in survey.keep_rows(rows(candidates), cache):
        pass


def pretend_written(scratch: Path) -> None:
    """Leaves holes in the place of shards, and their receipts."""
    decided = handover.read_plan(scratch)
    for target in decided.targets:
        for lot in shards.make_lots(decided.plan, [target], DEFAULT_MAX_PIXELS):
            (wanted,) = lot.targets
            written = []
            for each in wanted.shards:
                count = each.stop - each.first
                held = Shard(each.name, count, count, count * 1000, hashlib.sha256(each.name.encode()).hexdigest())
                with open(Path(target.folder, each.name), "wb") as hole:
                    hole.truncate(held.bytes)
                written.append(Receipt(held, target.fingerprint, (), 0))
            folder = Path(target.folder, shards.BUILD_FOLDER, shards.RECEIPTS)
            plain.write_lines(str(folder / f"{lot.name}{shards.LINES}"), written)


def perform(part: str, folder: Path, settings: flags.Settings) -> None:
    """One part, in a process of its own, which says at its end how much it wrote."""
    scratch = folder / "scratch"
    if part == "list":
        found = phases.lay_out_survey(settings, str(folder / "art"), scratch)
        assert found.files > found.known > 0.9 * found.files
    elif part == "plan":
        planned = phases.make_plan(settings, scratch, 0)
        print(f"{planned.paintings:,} paintings, {planned.shards:,} shards, {len(planned.jobs):,} jobs")
    else:
        phases.describe(settings, scratch)
    print(f"wrote {psutil.Process().io_counters().write_chars} bytes")


def measure(part: str, folder: Path, dedup: str) -> dict[str, float]:
    """Seconds, peak MiB of all processes, and MiB written."""
    done = run([sys.executable, "-m", "benchmarks.scale", f"--part={part}", f"--folder={folder}", f"--dedup={dedup}"])
    written = _WRITTEN.search(done.stdout)
    assert written, done.stdout
    return {"seconds": done.seconds, "peak_mib": done.peak_mib, "written_mib": int(written[1]) / 2**20}


def main() -> None:
    """Measures, prints a table, writes benchmarks/results/scale.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--paintings", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--dedup", choices=("near", "exact"), default="near")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.part:
        perform(asked.part, asked.folder, settings_of(asked.folder, asked.dedup))
        return
    results: dict[int, dict[str, dict[str, float]]] = {}
    for paintings in asked.paintings:
        folder = Path(tempfile.mkdtemp(prefix="morelli-scale-"))
        try:
            prepare(folder, paintings, settings_of(folder, asked.dedup))
            seen = results[paintings] = {}
            for part in PARTS:
                if part == "describe":
                    pretend_written(folder / "scratch")
                seen[part] = measure(part, folder, asked.dedup)
                print(f"{paintings:,} paintings, {part}: {_told(seen[part])}", flush=True)
            files = sum(len(names) for top, _, names in os.walk(folder / "out") if "receipts" not in top)
            seen["files"] = {"count": files}
        finally:
            shutil.rmtree(folder)
    header = ["paintings", *(f"{part}: s, MiB at the peak, MiB written" for part in PARTS)]
    lines = [[f"{paintings:,}", *(_told(seen[part]) for part in PARTS)] for paintings, seen in results.items()]
    print(f"\n{table(header, lines)}")
    print(f"written to {save('scale', {'dedup': asked.dedup, 'results': results})}")


def _told(seen: dict[str, float]) -> str:
    return f"{seen['seconds']:.1f} s, {math.ceil(seen['peak_mib']):,} MiB, {seen['written_mib']:,.0f} MiB"


if __name__ == "__main__":
    main()
