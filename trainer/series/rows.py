"""Runs become the rows of a table: one per recipe, its seeds put together. Pure: outcomes in, rows out."""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pipeline.dataset.contract import SPLITS
from pipeline.dataset.schemes import Scheme
from trainer.config import FLAGS
from trainer.judging.metrics import METRICS
from trainer.run.outcomes import Outcome
from trainer.series.originals import Original, is_reference_set, match

# Measure -> where results.json has it, or head.json its folds. Crops are what the original table counts; paintings are
# what a user asks about.
MEASURES: dict[str, tuple[str, ...]] = {
    **{
        f"{split}_{'painting_' if unit == 'painting' else ''}{metric.name}": (split, unit, metric.name)
        for unit in ("crop", "painting")
        for split in SPLITS
        for metric in METRICS
        if metric.tabled
    },
    **{f"folds_painting_{metric.name}": ("folds", "painting", metric.name) for metric in METRICS if metric.tabled},
    "examples_per_second": ("throughput", "examples_per_second"),
    "seconds": ("throughput", "seconds"),
}


class Measure(NamedTuple):
    """A number over the seeds of a recipe. `spread` is the standard deviation (n - 1), None of a single run."""

    mean: float
    spread: float | None


@dataclass(frozen=True, slots=True)
class Data:
    """The paintings of a dataset, and what one scores on them without looking.

    Attributes:
      artists: how many.
      paintings: of train, validation and test.
      majority_top1, prior_top5: always naming the largest artist, or the five largest; of test paintings.
      reference: whether these are the original's.
    """

    artists: int
    paintings: tuple[int, ...]
    majority_top1: float
    prior_top5: float
    reference: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A recipe and what came of it.

    Attributes:
      name: of the recipe.
      scheme: None where no run got far enough to tell.
      flags: of its runs.
      epochs: trained, fewest and most of the finished runs.
      seeds: of the finished runs.
      measures: those of MEASURES that the results hold; none where no run is finished.
      interval: 95% interval of test_painting_top1 over test paintings; of several seeds, the mean of their bounds.
      data: None where no run is finished.
      row_of: the row of the original table that it reproduces, in colour or in grayscale.
      failures: (seed, error) of the runs that failed.
      unfinished: (seed, epochs trained) of the others.
    """

    name: str
    scheme: Scheme | None
    flags: dict[str, Any]
    epochs: tuple[int, int] | None
    seeds: tuple[int, ...]
    measures: dict[str, Measure]
    interval: tuple[float, float] | None
    data: Data | None
    row_of: Original | None
    failures: tuple[tuple[int, str], ...]
    unfinished: tuple[tuple[int, int], ...]

    @property
    def original(self) -> Original | None:
        """The original's figures, where these runs may stand beside them: same row, same colours, same paintings."""
        comparable = self.data is not None and self.data.reference and not self.flags.get("grayscale")
        return self.row_of if comparable else None


def rows(outcomes: Iterable[Outcome], originals: Sequence[Original]) -> list[Row]:
    """One row per recipe: the original table's first and in its order, twins beside them, then the others.

    Runs are a recipe's if their folders name it and they agree in dataset and flags; runs of one name that disagree
    become several rows. A run that failed or is not finished stands in the row of its name.
    """
    named: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        named[outcome.name].append(outcome)
    found = [_row(group, originals) for some in named.values() for group in _groups(some)]
    return sorted(found, key=_place)


def is_incidental(name: str) -> bool:
    """Whether runs that differ in a flag alone are one recipe's; a flag that this version does not know is not."""
    return name in FLAGS and FLAGS[name].incidental


def _groups(outcomes: Sequence[Outcome]) -> list[list[Outcome]]:
    finished: dict[str, list[Outcome]] = defaultdict(list)
    waiting = []
    for outcome in outcomes:
        if outcome.results is None:
            waiting.append(outcome)
        else:
            flags = {name: value for name, value in outcome.flags.items() if not is_incidental(name)}
            finished[json.dumps([outcome.results["dataset"]["fingerprint"], flags], sort_keys=True)].append(outcome)
    groups = list(finished.values()) or [[]]
    groups[-1] += waiting
    return groups


def _row(group: Sequence[Outcome], originals: Sequence[Original]) -> Row:
    finished = sorted((outcome for outcome in group if outcome.results is not None), key=lambda outcome: outcome.seed)
    results = [outcome.results for outcome in finished if outcome.results is not None]
    first = (finished or list(group))[0]
    scheme = next((outcome.scheme for outcome in group if outcome.scheme), None)
    epochs = [outcome.epochs for outcome in finished]
    return Row(
        name=first.name,
        scheme=scheme,
        flags=dict(first.flags),
        epochs=(min(epochs), max(epochs)) if epochs else None,
        seeds=tuple(outcome.seed for outcome in finished),
        measures={name: found for name, path in MEASURES.items() if (found := _measure(results, path))},
        interval=_interval([one["test"]["painting"]["intervals"]["top1"] for one in results]),
        data=_data(first) if first.results else None,
        row_of=match(originals, scheme, first.flags) if scheme else None,
        failures=tuple((outcome.seed, outcome.error) for outcome in group if outcome.error),
        unfinished=tuple(
            (outcome.seed, outcome.epochs) for outcome in group if outcome.results is None and not outcome.error
        ),
    )


def _measure(results: Sequence[Any], path: Sequence[str]) -> Measure | None:
    """The mean of a number over results that all hold it, else None."""
    values = []
    for found in results:
        for name in path:
            found = (found or {}).get(name)
        values.append(found)
    if not values or None in values:
        return None
    return Measure(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None)


def _interval(bounds: Sequence[Sequence[float] | None]) -> tuple[float, float] | None:
    known = [pair for pair in bounds if pair is not None]
    if not known or len(known) < len(bounds):
        return None
    return statistics.fmean(low for low, _ in known), statistics.fmean(high for _, high in known)


def _data(outcome: Outcome) -> Data:
    assert outcome.results is not None
    dataset, baselines = outcome.results["dataset"], outcome.results["baselines"]
    paintings = tuple(dataset["paintings"].values())
    return Data(
        artists=dataset["artists"],
        paintings=paintings,
        majority_top1=baselines["majority_top1"],
        prior_top5=baselines["prior_top5"],
        reference=is_reference_set(outcome.labels, sum(paintings)),
    )


def _place(row: Row) -> tuple[Any, ...]:
    """The original table is sorted by size, then by model, then crop before reshape, then by dropout and L2."""
    scheme, flags = row.scheme, row.flags
    if scheme is None:
        return (2, row.name)
    way = (scheme.size, flags.get("backbone", ""), scheme.kind, flags.get("dropout", 0.0), flags.get("l2", 0.0))
    return (0 if row.row_of else 1, *way, bool(flags.get("grayscale")), row.name)
