"""python -m benchmarks.all: every benchmark beside its peers, the targets, the table and the charts.

An hour and more on two cores, most of it for feeding; --quick takes a small part of each. Results go to
benchmarks/results, as JSON and as table.md; charts go to docs/, those of --quick beside its results. A peer that is not
installed is named: pip install '.[benchmarks]'.
"""

from __future__ import annotations

import argparse
import json
import operator
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import charts
from benchmarks.measure import NAMES, RESULTS, table
from pipeline.storage import files

BENCHMARKS = ("build", "read", "feed", "train", "restart")
DOCS = Path("docs")


def targets(results: dict[str, Any]) -> Iterator[tuple[str, str, bool]]:
    """(what was aimed at, what was measured, whether it holds) of each target that there are results for."""
    speed = results.get("build", {}).get("speed", {})
    if built := results.get("build", {}).get("many", {}).get("speed") or speed.get("crop64x16"):
        ratio = statistics.median(built["writing"]["of_limit"])
        yield "writing at 0.85 of the limit", f"{ratio:.2f}", ratio >= 0.85
    for scheme, built in speed.items():
        for peer, times in (("tfds_beam", 3), ("afternoon", 1)):
            if peer in built:
                ratio = statistics.median(built[peer]["ours_is"])
                yield f"building {scheme} {times} times as fast as {NAMES[peer]}", f"{ratio:.2f}", ratio >= times
    if peaks := list(results.get("build", {}).get("memory", {}).get("morelli", {}).values()):
        growth = peaks[-1] / peaks[0]
        yield "memory of building within 1.05 times", f"{growth:.2f}", growth <= 1.05
    for load, read in results.get("read", {}).get("speed", {}).items():
        ratios = {name: statistics.median(some["ours_is"]) for name, some in read.items() if name in NAMES}
        if "tfds" in ratios:
            yield f"reading {load} 3 times as fast as TFDS", f"{ratios['tfds']:.2f}", ratios["tfds"] >= 3
        nearest, ratio = min(
            ((name, ratio) for name, ratio in ratios.items() if name != "ours"), key=lambda each: each[1]
        )
        yield f"reading {load} ahead of every peer", f"{ratio:.2f} of {NAMES[nearest]}", ratio > 1
    for title, seen in results.get("feed", {}).get("fed", {}).items():
        if seen["level"] == "windows" and "JPEG" in seen["load"]:
            of_limit = statistics.median(map(operator.truediv, seen["rates"]["ours"], seen["rates"]["decoding"]))
            yield f"feeding {title} at 0.8 of decoding", f"{of_limit:.2f}", of_limit >= 0.8
    if peaks := list(results.get("train", {}).get("peak_mib", {}).get("streamed", {}).values()):
        growth = peaks[-1] / peaks[0]
        yield "memory of training within 1.05 times", f"{growth:.2f}", growth <= 1.05
    for augment, ratio in results.get("train", {}).get("ratios", {}).items():
        yield f"training at 0.97 of memory-fed, augmentation {augment}", f"{ratio:.3f}", ratio >= 0.97


def main() -> None:
    """The command. Its exit status says whether every benchmark ran; a missed target is a result, not a failure."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.all", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true")
    flags = parser.parse_args()
    texts, results, failed = [], {}, []
    for name in BENCHMARKS:
        print(f"benchmarks.{name}", flush=True)
        started = time.monotonic()
        words = [sys.executable, "-m", f"benchmarks.{name}", *(["--quick"] if flags.quick else [])]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            lines = []
            for line in process.stdout:
                print(line, end="", flush=True)
                lines.append(line)
        if process.returncode:
            failed.append(name)
        else:
            results[name] = json.loads((RESULTS / f"{name}.json").read_text())
            texts.append(f"## {name}, {time.monotonic() - started:.0f} s\n\n{''.join(lines)}")
    rows = [[what, seen, "holds" if holds else "MISSED"] for what, seen, holds in targets(results)]
    summary = table(["target", "measured", ""], rows)
    print(f"\n{summary}\n")
    files.write_text(RESULTS / "table.md", "\n".join(["# Benchmarks\n", summary, "", *texts]))
    paths = charts.draw(results, RESULTS if flags.quick else DOCS)
    print(f"written to {RESULTS / 'table.md'}, {', '.join(map(str, paths))}")
    if failed:
        sys.exit(f"Failed: {', '.join(failed)}; what they said stands above.")


if __name__ == "__main__":
    main()
