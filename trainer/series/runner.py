"""The runs of some recipes, one after the other: what is missing is built, what is unfinished is resumed."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.dataset.dataset import Dataset
from pipeline.dataset.schemes import Scheme
from pipeline.errors import MorelliError
from pipeline.storage.lock import exclusive
from pipeline.terminal.command import RESUMES
from pipeline.terminal.progress import Progress
from pipeline.terminal.streams import complain, say
from trainer.run import outcomes
from trainer.run.folder import RunFolder
from trainer.run.outcomes import Outcome
from trainer.series import forecast, provision
from trainer.series.launch import last_line, launch
from trainer.series.provision import Source
from trainer.series.recipe import Recipe
from trainer.series.tables import duration, markdown, write_tables
from trainer.training.interrupts import Interrupts

_PLAIN_SECONDS = 60.0  # between lines where no terminal shows a bar


@dataclass(frozen=True, slots=True)
class Experiment:
    """A recipe with a seed: one run."""

    recipe: Recipe
    seed: int
    dataset_dir: Path
    run: RunFolder

    @property
    def title(self) -> str:
        """For people."""
        return f"{self.recipe.name}, seed {self.seed}"

    @property
    def command(self) -> list[str]:
        """That runs it, or resumes it."""
        changes = {**self.recipe.changes, "dataset_dir": self.dataset_dir, "run_dir": self.run.path, "seed": self.seed}
        words = [f"--{name}={value}" for name, value in changes.items()]
        return [sys.executable, "-m", "trainer.main", f"--flagfile={self.recipe.path}", *words]

    @property
    def settings(self) -> dict[str, Any]:
        """The flags that it sets."""
        return {**self.recipe.settings, "seed": self.seed}


def plan(recipes: Sequence[Recipe], seeds: int, datasets: Path, runs: Path) -> list[Experiment]:
    """All recipes with the first seed, then all with the next: the table has all its rows early."""
    return [
        Experiment(each, seed, datasets / each.scheme.name, RunFolder(runs / each.name / f"seed{seed}"))
        for seed in range(seeds)
        for each in recipes
    ]


def is_complete(settings: dict[str, Any], fingerprint: str, outcome: Outcome) -> bool:
    """Whether a run is what these settings ask for on the dataset of that fingerprint, and has come to its end."""
    if outcome.results is None:
        return False
    same = {name: value for name, value in settings.items() if name not in ("dataset_dir", "run_dir")}
    return outcome.results["dataset"]["fingerprint"] == fingerprint and same.items() <= outcome.flags.items()


def too_long(outcome: Outcome, settings: dict[str, Any]) -> str | None:
    """Why a run that has been trained for longer than is asked must not pass for one that has not.

    Other differences are for trainer.main to judge; this one it cannot see where the schedule is constant.
    """
    if outcome.epochs <= settings["epochs"]:
        return None
    return (
        f"its folder holds a run of {outcome.epochs} epochs, more than the {settings['epochs']} asked for. "
        "Pass another --runs."
    )


def run(
    recipes: Sequence[Recipe], seeds: int, datasets: Path, runs: Path, source: Source, folds: int | None = None
) -> int:
    """Runs all that is not finished, keeps the tables in `runs` up to date, and returns the exit status.

    `folds`: cross-validate the runs that fit a head to embeddings, too.

    Raises:
      MorelliError: nothing could be started.
    """
    with (
        exclusive(runs, "Another trainer.experiments, or a run that one has left behind,", "--runs") as lock,
        Interrupts() as interrupts,
        Progress("experiments", 1, "", every=_PLAIN_SECONDS, stays=False) as progress,
    ):
        series = Series(plan(recipes, seeds, datasets, runs), datasets, runs, folds, lock, interrupts, progress)
        series.build([each.scheme for each in recipes], source)
        for number in range(len(series.experiments)):
            if interrupts.signal:
                break
            series.perform(number)
    if any(each.run.exists for each in series.experiments):
        say(markdown(write_tables(outcomes.find([runs]), runs)))
        say(f"Tables: {runs / 'table.md'}, {runs / 'table.csv'}, {runs / 'table.html'}")
    if interrupts.signal:
        complain(f"Stopped. {RESUMES}")
        return 128 + interrupts.signal
    for title, error in series.failed.items():
        complain(f"Failed: {title}: {error}")
    return 1 if series.failed else 0


@dataclass(slots=True)
class Series:
    """Experiments under way.

    Attributes:
      experiments: in the order in which they run.
      datasets: folder of datasets.
      folder: of runs and tables.
      folds: of the cross-validation of heads; None for none.
      lock: of that folder.
      interrupts, progress: who may ask for an end, and where progress is shown.
      unbuilt: scheme -> why there is no dataset of it.
      ended: numbers of the experiments that are finished or have failed.
      failed: title and error of the latter.
      around: seconds that runs took beside their epochs.
    """

    experiments: Sequence[Experiment]
    datasets: Path
    folder: Path
    folds: int | None
    lock: tuple[int, ...]
    interrupts: Interrupts
    progress: Progress
    unbuilt: dict[Scheme, str] = field(default_factory=dict)
    ended: set[int] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)
    around: list[float] = field(default_factory=list)

    def build(self, schemes: Sequence[Scheme], source: Source) -> None:
        """Builds the datasets that are missing. Raises DatasetError where one that is there is of other paintings."""
        absent = provision.missing(schemes, self.datasets, source)
        log = self.datasets / "build.log"
        names = ", ".join(scheme.name for scheme in absent)
        for command in provision.commands(absent, self.datasets, source):
            self.progress.say(f"Builds {names}: python {' '.join(command[1:])} (log: {log})")
            error = launch(command, log, self.lock, self.interrupts, partial(self._show_log, log))
            if error is not None:
                self.unbuilt = {scheme: f"{scheme.name} could not be built: {error}" for scheme in absent}
                return

    def perform(self, number: int) -> None:
        """Runs one experiment, unless it is finished, and brings the tables up to date."""
        experiment = self.experiments[number]
        run, title = experiment.run, experiment.title
        before = outcomes.read(run) if run.exists else None
        error = self.unbuilt.get(experiment.recipe.scheme)
        if error is None and before is not None:
            if self._is_finished(experiment, before):
                run.clear_failure()
                self.ended.add(number)
                self.progress.say(f"{title}: finished before")
                if not self._lacks_folds(experiment):
                    return
            else:
                error = too_long(before, experiment.settings)
        if error is None and number not in self.ended:
            run.clear_failure()
            self.progress.say(
                f"{title}: run {number + 1} of {len(self.experiments)} starts (log: {experiment.run.log})"
            )
            error = self._train(number, experiment)
        if error is None and not self.interrupts.signal and self._lacks_folds(experiment):
            error = self._cross_validate(number, experiment)
        if self.interrupts.signal:
            return
        self.ended.add(number)
        if error is not None:
            run.write_failure(error, experiment.recipe.scheme.name, experiment.settings)
            self.failed[title] = error
            self.progress.say(f"{title}: FAILED: {error}")
        write_tables(outcomes.find([self.folder]), self.folder)

    def _is_finished(self, experiment: Experiment, before: Outcome) -> bool:
        fingerprint = Dataset.open(experiment.dataset_dir).contract.fingerprint
        return experiment.run.report.is_file() and is_complete(experiment.settings, fingerprint, before)

    def _train(self, number: int, experiment: Experiment) -> str | None:
        started, trained = time.monotonic(), seconds_trained(experiment.run)
        error = launch(experiment.command, experiment.run.log, self.lock, self.interrupts, lambda: self._show(number))
        took = time.monotonic() - started
        if error is None:
            self.around.append(max(0.0, took - (seconds_trained(experiment.run) - trained)))
            self.progress.say(f"{experiment.title}: finished in {duration(took)}")
        return error

    def _lacks_folds(self, experiment: Experiment) -> bool:
        if not self.folds or not experiment.recipe.embeds:
            return False
        held = experiment.run.read_head().get("folds", {})
        return bool(held.get("folds") != self.folds)

    def _cross_validate(self, number: int, experiment: Experiment) -> str | None:
        command = [sys.executable, "-m", "trainer.evaluate", f"--run_dir={experiment.run}", f"--folds={self.folds}"]
        self.progress.say(f"{experiment.title}: cross-validates")
        return launch(command, experiment.run.log, self.lock, self.interrupts, lambda: self._show(number))

    def _show_log(self, log: Path) -> None:
        self.progress.reach(0.0, "datasets first", last_line(log))

    def _show(self, number: int) -> None:
        """Shows where the run under way is, and how much is left."""
        parts = [part(each, at in self.ended) for at, each in enumerate(self.experiments)]
        left = forecast.seconds_left(parts, self.around)
        experiment = self.experiments[number]
        self.progress.reach(
            forecast.share_done(parts),
            f"about {duration(left)} left" if left is not None else "time left not known yet",
            f"run {number + 1} of {len(parts)}, {experiment.title}: {last_line(experiment.run.log)[:60]}",
        )


def part(experiment: Experiment, ended: bool) -> forecast.Part:
    """What a forecast needs to know of a run."""
    settings, scheme = experiment.recipe.settings, experiment.recipe.scheme
    try:
        records = Dataset.open(experiment.dataset_dir).contract.records("train")
    except MorelliError:  # it could not be built
        return forecast.Part(0.0, 0.0, 0.0, True)
    side = settings.get("input_size") or scheme.size
    return forecast.Part(
        work=forecast.work(settings["backbone"], side, records, settings["epochs"]),
        done=min(1.0, len(experiment.run.read_history()) / settings["epochs"]),
        seconds=seconds_trained(experiment.run),
        ended=ended,
    )


def seconds_trained(run: RunFolder) -> float:
    """What the epochs of a run have taken so far."""
    return float(sum(line["seconds"] for line in run.read_history()))
