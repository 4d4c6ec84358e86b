"""python -m benchmarks.recipe: cpu_scratch.flags beside the original's way, and without each ingredient in turn.

    original   MobileNet on 64 px crops, dropout 0.7, L2 1e-4, Adam at a constant 1e-3, nothing else; scored per crop,
               as its table is
    cpu_scratch   the recipe; scored per painting
    the rest   the recipe with one thing changed

All see the same split and as many pictures as cpu_scratch; the original has 21 epochs, 20 minutes on two cores, which
is more. Runs are kept in --runs: what is finished is not run again, what was cut off is resumed. Tune on
--split=validation; the test split is for the last word.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.measure import save, spread, table
from pipeline.dataset.schemes import parse_scheme
from trainer.judging.intervals import interval
from trainer.judging.predictions import read_paintings
from trainer.judging.scores import Tally
from trainer.run.folder import RunFolder
from trainer.series import provision

RECIPES = Path(__file__).parent.parent / "trainer" / "recipes"
ORIGINAL = "original"
BEST = "cpu_scratch"
MEASURES = ("macro_f1", "top1")


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to train.

    Attributes:
      dataset: name of its scheme.
      recipe: flagfile it starts from.
      changes: flags that differ from it.
      epochs: if not as many as show the recipe's number of pictures.
    """

    dataset: str = "reshape160"
    recipe: str = f"{BEST}.flags"
    changes: tuple[str, ...] = ()
    epochs: int | None = None

    def command(self, epochs: int, seed: int, datasets: Path, run: Path) -> list[str]:
        """That trains it, where `epochs` of the recipe's dataset are asked for."""
        own = self.epochs or max(1, epochs // (parse_scheme(self.dataset).per_painting or 1))
        places = (f"--dataset_dir={datasets / self.dataset}", f"--run_dir={run}", f"--seed={seed}", f"--epochs={own}")
        flagfile = f"--flagfile={RECIPES / self.recipe}"
        return [sys.executable, "-m", "trainer.main", flagfile, *self.changes, *places]


CONTENDERS = {
    ORIGINAL: Contender("crop64x16", "crop64x16_mobilenet_d0.7_l2_1e-3.flags", ("--l2=1e-4",), epochs=21),
    BEST: Contender(),
    "crops, not windows of the whole": Contender("crop64x16", changes=("--norandom_resized_crop", "--warmup=1")),
    "no windows": Contender(changes=("--norandom_resized_crop",)),
    "no mixing, erasing or strong jitter": Contender(changes=("--augment=light",)),
    "no balance": Contender(changes=("--class_balance=none",)),
    "no label smoothing": Contender(changes=("--label_smoothing=0",)),
    "no averaged weights": Contender(changes=("--ema=0",)),
    "constant learning rate": Contender(changes=("--schedule=constant",)),
    "MobileNetV3Small": Contender(changes=("--backbone=MobileNetV3Small",)),
}


@dataclass(frozen=True, slots=True)
class Score:
    """What one run reached.

    Attributes:
      point: measure -> value on the judged split.
      draws: measure -> the same over the bootstrap's draws of its paintings, equal draws for all runs.
      train: measure -> value on the training split.
      seconds: of training.
    """

    point: dict[str, float]
    draws: dict[str, np.ndarray]
    train: dict[str, float]
    seconds: float


def score(run: Path, split: str, unit: str) -> Score:
    """Judges a finished run by "crop" or by "painting"."""
    results = RunFolder(run).read_results()
    paintings = read_paintings(RunFolder(run), split)
    tally = Tally.of_crops(paintings) if unit == "crop" else Tally.of_paintings(paintings)
    return Score(
        {name: results[split][unit][name] for name in MEASURES},
        {name: tally.resampled[name] for name in MEASURES},
        {name: results["train"][unit][name] for name in MEASURES},
        results["throughput"]["seconds"],
    )


def train(name: str, epochs: int, seed: int, datasets: Path, runs: Path) -> Path:
    """Runs a contender, unless it has run; returns its folder."""
    run = runs / name.replace(",", "").replace(" ", "_") / f"seed{seed}"
    if not RunFolder(run).results.exists():
        subprocess.run(CONTENDERS[name].command(epochs, seed, datasets, run), check=True)
    return run


def build(names: list[str], data: Path, datasets: Path) -> None:
    """Builds the datasets that the contenders need and that are missing."""
    schemes = [parse_scheme(CONTENDERS[name].dataset) for name in names]
    source = provision.Source(data, limit=None)
    for command in provision.commands(provision.missing(schemes, datasets, source), datasets, source):
        subprocess.run(command, check=True)


def difference(first: list[Score], second: list[Score], measure: str) -> tuple[float, list[float]]:
    """Mean of the second less mean of the first over seeds, with its 95% interval paired by painting."""
    means = [statistics.mean(each.point[measure] for each in some) for some in (first, second)]
    draws = [np.mean([each.draws[measure] for each in some], axis=0) for some in (first, second)]
    return means[1] - means[0], interval(draws[1] - draws[0]) or [0.0, 0.0]


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.recipe", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data_dir", type=Path, required=True, help="paintings, a folder per artist")
    parser.add_argument("--datasets", type=Path, default=Path("datasets"), help="where datasets are, or are built")
    parser.add_argument("--runs", type=Path, default=Path("runs/recipe"))
    parser.add_argument(
        "--seeds", type=int, default=3, help="of the original's way and of cpu_scratch; the rest has one"
    )
    parser.add_argument("--epochs", type=int, default=250, help="of cpu_scratch; fewer to try ingredients in less time")
    parser.add_argument("--split", choices=("validation", "test"), default="validation", help="to judge on")
    parser.add_argument("--only", nargs="*", choices=CONTENDERS, help="contenders; default: all")
    flags = parser.parse_args()
    names = [name for name in CONTENDERS if not flags.only or name in (*flags.only, BEST)]
    build(names, flags.data_dir, flags.datasets)
    scores: dict[str, list[Score]] = {}
    for name in names:
        seeds = flags.seeds if name in (ORIGINAL, BEST) else 1
        runs = [train(name, flags.epochs, seed, flags.datasets, flags.runs) for seed in range(seeds)]
        scores[name] = [score(run, flags.split, "crop" if name == ORIGINAL else "painting") for run in runs]
    rows, results = [], {}
    for name, some in scores.items():
        # Against as many seeds of the recipe: one run beside the mean of three would be judged more harshly.
        gain, bounds = difference(some, scores[BEST][: len(some)], "macro_f1")
        reached = {measure: [each.point[measure] for each in some] for measure in MEASURES}
        gaps = {measure: [each.train[measure] - each.point[measure] for each in some] for measure in MEASURES}
        seconds = [each.seconds for each in some]
        results[name] = {**reached, "gap": gaps, "seconds": seconds, "recipe_gains": gain, "interval": bounds}
        figures = [spread(values, 3) for values in (*reached.values(), *gaps.values())]
        gained = f"{gain:+.3f} [{bounds[0]:+.3f}, {bounds[1]:+.3f}]" if name != BEST else ""
        rows.append([name, *figures, gained, spread(seconds)])
    header = ["way", "macro-F1", "top-1", "macro-F1 gap", "top-1 gap", "cpu_scratch's macro-F1 is higher by", "seconds"]
    print(table(header, rows))
    print("Gaps are what the training split scores higher.")
    print(f"written to {save('recipe', {'split': flags.split, 'results': results})}")


if __name__ == "__main__":
    main()
