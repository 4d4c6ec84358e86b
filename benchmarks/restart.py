"""python -m benchmarks.restart: killed at half time and run again, ours and the peers.

Each builds a dataset undisturbed, once; then, round by round, in another folder, where all its processes get SIGKILL
after half of that time; then the same command runs again there. What lies there is compared with the undisturbed
dataset:

    again       seconds of the second run, as a share of the undisturbed one; 0.5 would be resuming without loss
    redone      bytes of the dataset that were not kept from the first run, as a share of all
    cut off     files that were half-written under a final name when the kill came: a reader takes them for whole
    left over   files that are still there at the end and are no part of the dataset

A peer that refuses its own remains is run once more in an emptied folder, as its user would have to.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from benchmarks.build import CROPS, OURS, command
from benchmarks.builders import CANNOT, PEERS
from benchmarks.galleries import multiply, small_originals
from benchmarks.measure import NAMES, Failed, available, kill_family, run, save, spread, table

PAINTINGS, QUICK_PAINTINGS = 800, 500  # of a fifth of a megapixel: what is written is that of larger ones
Files = dict[str, tuple[int, int]]  # path in the folder -> size, time of last change in ns


@dataclass(frozen=True, slots=True)
class Restart:
    """What a kill cost; the docstring of this file explains. Shares are of the undisturbed run.

    Attributes:
      undisturbed_s: of the undisturbed run.
      again_s: of the second run.
      bytes: of the dataset.
      bytes_redone: of it, not kept from the first run.
      left_behind: by the kill, in words.
    """

    undisturbed_s: float
    again_s: float
    bytes: int
    bytes_redone: int
    left_behind: str


def files(folder: Path) -> Files:
    """All files below a folder, but those that no reader looks at: their names, or their folders', begin with a dot."""
    found = {}
    for path in folder.rglob("*"):
        name = path.relative_to(folder)
        if path.is_file() and not any(part.startswith(".") for part in name.parts):
            status = path.stat()
            found[str(name)] = status.st_size, status.st_mtime_ns
    return found


def kill_after(words: list[str], seconds: float) -> None:
    """Runs a command and kills it and all its descendants, unless it ends before."""
    process = psutil.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        process.wait(seconds)
    except psutil.TimeoutExpired:
        kill_family(process)


def describe(killed: Files, whole: Files, end: Files, refused: str | None) -> str:
    """What the kill left behind, in words."""
    cut_off = sum(name in killed and killed[name][0] != size for name, (size, _) in whole.items())
    kept = sum(end.get(name) == killed[name] for name in killed if name in whole)
    over = len(end.keys() - whole.keys())
    said = [f"{kept} of {len(whole)} files are kept", f"{cut_off} cut off under a final name", f"{over} left over"]
    return "; ".join(said) + (f"; refuses to resume: {refused}" if refused else "")


def restart(contender: str, data: Path, scratch: Path, workers: int, calm: tuple[float, Files]) -> Restart:
    """Measures one contender once, beside its undisturbed run: seconds, and files."""
    undisturbed, whole = calm
    struck = scratch / "struck"
    again = command(contender, data, struck, CROPS, workers)
    kill_after(again, undisturbed / 2)
    killed = files(struck) if struck.exists() else {}
    refused = None
    try:
        seconds = run(again).seconds
    except Failed as failed:
        refused = failed.reason
        shutil.rmtree(struck)
        seconds = run(again).seconds
    end = files(struck)
    shutil.rmtree(struck)
    kept = sum(size for name, (size, _) in whole.items() if name in killed and end.get(name) == killed[name])
    total = sum(size for size, _ in whole.values())
    return Restart(undisturbed, seconds, total, total - kept, describe(killed, whole, end, refused))


def undisturbed(contender: str, data: Path, scratch: Path, workers: int) -> tuple[float, Files]:
    """Seconds that a contender takes, and what it writes."""
    calm = scratch / "calm"
    seconds = run(command(contender, data, calm, CROPS, workers)).seconds
    whole = files(calm)
    shutil.rmtree(calm)
    return seconds, whole


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.restart", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one peer, once, fewer paintings")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    flags = parser.parse_args()
    rounds, paintings = (1, QUICK_PAINTINGS) if flags.quick else (flags.rounds, PAINTINGS)
    among = ["afternoon"] if flags.quick else [name for name in PEERS if (name, CROPS) not in CANNOT]
    versions, not_run = available(PEERS)
    seen: dict[str, list[Restart]] = {}
    calm: dict[str, tuple[float, Files]] = {}
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        data = multiply(small_originals(scratch), paintings, scratch / "gallery")
        for number in range(1, rounds + 1):
            for contender in [OURS, *(peer for peer in among if peer not in not_run)]:
                try:
                    if contender not in calm:
                        calm[contender] = undisturbed(contender, data, scratch, flags.workers)
                    some = restart(contender, data, scratch, flags.workers, calm[contender])
                except Failed as failed:
                    if contender == OURS:
                        raise
                    not_run[contender] = failed.reason
                else:
                    seen.setdefault(contender, []).append(some)
            said = ", ".join(f"{name} {some[-1].again_s / some[-1].undisturbed_s:.2f}" for name, some in seen.items())
            print(f"round {number}, again: {said}", flush=True)
    middle = {
        contender: sorted(some, key=lambda each: each.again_s / each.undisturbed_s)[len(some) // 2]
        for contender, some in seen.items()
    }
    rows = []
    for contender, some in middle.items():
        shares = [each.again_s / each.undisturbed_s for each in seen[contender]]
        redone = [each.bytes_redone / each.bytes for each in seen[contender]]
        seconds = f"{some.undisturbed_s:.1f}"
        rows.append([NAMES[contender], seconds, spread(shares, 2), spread(redone, 2), some.left_behind])
    print(f"\n{CROPS}, {paintings:,} paintings, killed at half time, median (range) of {rounds}\n")
    print(table(["builder", "undisturbed, s", "again", "redone", "the kill left behind"], rows))
    for contender, reason in not_run.items():
        print(f"{contender}: not run: {reason}")
    results = {contender: [asdict(each) for each in some] for contender, some in seen.items()}
    print(f"written to {save('restart', {'versions': versions, 'not_run': not_run, 'restart': results})}")


if __name__ == "__main__":
    main()
