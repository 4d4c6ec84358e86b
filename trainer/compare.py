"""python -m trainer.compare RUN_A RUN_B: is one run better than the other, on the same test paintings?

Two accuracies with overlapping intervals may still differ for certain: both models saw the same paintings, and where
both are right or both wrong, nothing tells them apart. So the paintings are paired: McNemar's exact test on those that
only one has right, and the bootstrap interval of each difference, both models weighed on the same draws.
Near copies of a painting count as one work.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace

import numpy as np

from pipeline.terminal.command import command
from pipeline.terminal.streams import say
from trainer.errors import RunError
from trainer.judging.intervals import LEVEL, by_work, interval, mcnemar
from trainer.judging.metrics import METRICS
from trainer.judging.predictions import read_paintings
from trainer.judging.scores import Tally
from trainer.judging.voting import Paintings
from trainer.run.folder import RunFolder


@dataclass(frozen=True, slots=True)
class Difference:
    """A measure of both runs; `difference` is the second less the first, `interval` its paired 95% interval,
    None where no painting tells the runs apart."""

    measure: str
    first: float
    second: float
    difference: float
    interval: list[float] | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs on the same test paintings.

    Attributes:
      paintings, works: how many; near copies of a painting are one work.
      both, first_only, second_only, neither: of how many works each has (more of) the paintings right; where both have
        as many, they count as right from half of them on.
      p: of McNemar's exact test.
      differences: in order of METRICS.
    """

    paintings: int
    works: int
    both: int
    first_only: int
    second_only: int
    neither: int
    p: float
    differences: tuple[Difference, ...]


def compare(first: Paintings, second: Paintings) -> Comparison:
    """Compares two runs' test paintings, which must be the same in the same order.

    Raises:
      RunError: they are not.
    """
    if first.ids != second.ids or not (first.labels == second.labels).all():
        odd, common = set(first.ids) ^ set(second.ids), set(first.ids) & set(second.ids)
        found = f"{len(odd)} paintings that only one was judged on, {len(common)} in common"
        raise RunError(
            "Expected two runs judged on the same test paintings. "
            f"Found {found if odd else 'the same paintings under other artists'}. "
            "Train both on datasets of the same paintings, --splits and --seed."
        )
    works = min(first.works, second.works, key=lambda each: len(set(each)))  # a run of an earlier version knows none
    tallies = [Tally.of_paintings(replace(each, works=works)) for each in (first, second)]
    points, drawn = [tally.point() for tally in tallies], [tally.resampled for tally in tallies]
    differences = []
    for name in (metric.name for metric in METRICS):
        one, two = float(points[0][name]), float(points[1][name])
        differences.append(Difference(name, one, two, two - one, interval(drawn[1][name] - drawn[0][name])))
    right = by_work(np.stack([tally.top1 for tally in tallies], axis=1), works).toarray()
    first_only, second_only = (int((right[:, one] > right[:, 1 - one]).sum()) for one in (0, 1))
    alike = right[right[:, 0] == right[:, 1], 0]
    return Comparison(
        paintings=len(first.ids),
        works=len(right),
        both=int((alike >= 0.5).sum()),
        first_only=first_only,
        second_only=second_only,
        neither=int((alike < 0.5).sum()),
        p=mcnemar(first_only, second_only),
        differences=tuple(differences),
    )


def compare_runs(first: RunFolder, second: RunFolder) -> Comparison:
    """Compares two run folders by what `predictions.parquet` holds of their test paintings. Raises RunError."""
    expertises = first.expertise, second.expertise
    if expertises[0].labels != expertises[1].labels:
        odd = sorted(set(expertises[0].labels) ^ set(expertises[1].labels))
        raise RunError(
            f"Expected two runs that tell the same artists apart. Found {', '.join(odd[:5]) or 'another order'} "
            "in only one of them. Train both on datasets of the same paintings."
        )
    return compare(read_paintings(first, "test"), read_paintings(second, "test"))


def table(comparison: Comparison, first: str, second: str) -> str:
    """The comparison, to read in a terminal."""
    found = comparison
    lines = [
        f"A: {first}",
        f"B: {second}",
        f"{found.paintings} test paintings{_works(found)}; intervals of the difference: {LEVEL:.0%}, paired bootstrap",
        "",
        f"{'per painting':<20}{'A':>8}{'B':>8}{'B - A':>9}",
    ]
    lines += [
        f"{row.measure:<20}{row.first:>8.3f}{row.second:>8.3f}{row.difference:>+9.3f}"
        + (f" [{row.interval[0]:+.3f}, {row.interval[1]:+.3f}]" if row.interval else "")
        for row in found.differences
    ]
    lines += [
        "",
        f"right: both {found.both}, only A {found.first_only}, only B {found.second_only}, neither {found.neither}",
        f"McNemar's exact test: p = {found.p:.3g}",
        _verdict(found),
    ]
    return "\n".join(lines)


def _works(found: Comparison) -> str:
    """In words, where near copies make works fewer than paintings."""
    return f" of {found.works} works, each of which counts once" if found.works < found.paintings else ""


def _verdict(found: Comparison) -> str:
    if found.p >= 1 - LEVEL:
        return "These paintings do not show that either names artists rightly more often."
    better = "B" if found.second_only > found.first_only else "A"
    return f"{better} names artists rightly more often: a split so uneven is unlikely ({found.p:.2g}) by chance."


@command()
def main(argv: list[str] | None = None) -> None:
    """The command line."""
    from absl import app

    def run(arguments: list[str]) -> None:
        if len(arguments) != 3:
            raise app.UsageError("Expected two run folders: python -m trainer.compare RUN_A RUN_B")
        first, second = map(RunFolder, arguments[1:])
        say(table(compare_runs(first, second), str(first), str(second)))

    app.run(run, argv)


if __name__ == "__main__":
    sys.exit(main())
