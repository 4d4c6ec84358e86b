"""python -m benchmarks.predict RUN FOLDER: trainer.predict on a folder, beside its two limits in the same rounds.

    decoding    opening the same pictures in as many processes, and asking nobody
    network     asking about them when they are opened already
    predict     both, as `python -m trainer.predict FOLDER` does, without its start

Pictures per second, medians over rounds; what matters is the ratio of predict to the slower limit.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.measure import save, table
from trainer.asking.attributor import Attributor
from trainer.asking.opening import Picture
from trainer.predict import Answers, answer_all, pictures
from trainer.run.folder import RunFolder

ROUNDS = 5


def seconds(work: Callable[[], object]) -> float:
    """How long a piece of work takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.predict", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("folder")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    flags = parser.parse_args()
    listed = [(path, fault) for path, fault in pictures([flags.folder]) if not fault]
    paths = [str(path) for path, _ in listed]
    rates: dict[str, list[float]] = {"decoding": [], "network": [], "predict": []}
    with Attributor(RunFolder(flags.run)) as attributor:
        opened = [each for each in attributor.open_all(paths, whole=False) if isinstance(each, Picture)]

        def ask() -> None:
            for start in range(0, len(opened), 8):
                attributor.attribute_all(opened[start : start + 8])

        def predict() -> None:
            with contextlib.redirect_stdout(io.StringIO()):
                answer_all(Answers(attributor, as_table=True), listed, None)

        ask()  # compiles
        for _ in range(flags.rounds):
            rates["decoding"].append(len(paths) / seconds(lambda: list(attributor.open_all(paths, whole=False))))
            rates["network"].append(len(opened) / seconds(ask))
            rates["predict"].append(len(paths) / seconds(predict))
    ratios = [
        whole / min(decoding, network)
        for decoding, network, whole in zip(*(rates[name] for name in ("decoding", "network", "predict")), strict=True)
    ]
    rows = [[name, f"{statistics.median(found):.1f}"] for name, found in rates.items()]
    rows.append(["of the slower limit", f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"])
    print(table([f"{len(paths)} pictures", "pictures/s"], rows))
    save("predict", {"pictures": len(paths), "rates": rates, "of_slower_limit": ratios})


if __name__ == "__main__":
    main()
