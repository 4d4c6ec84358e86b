"""python -m trainer.evaluate --run_dir=RUN: how good is the saved model, crop by crop and painting by painting?"""

from __future__ import annotations

import sys
from typing import Any

from pipeline.dataset.contract import SPLITS
from pipeline.dataset.dataset import Dataset
from pipeline.errors import InputError
from pipeline.storage.lock import exclusive
from pipeline.terminal.command import command
from pipeline.terminal.streams import say
from trainer.errors import RunError
from trainer.judging.evaluation import by_model, evaluate_run, evaluate_split
from trainer.pages.report import write_report
from trainer.pages.text import folds_table, table
from trainer.run.folder import RunFolder

BATCH_SIZE = 256


def _throughput(run: RunFolder) -> dict[str, Any]:
    """What the run's results say of its speed, or the last epoch's where it has no results yet."""
    if run.results.exists():
        return dict(run.read_results()["throughput"])
    epochs = run.read_history()
    if not epochs:
        raise RunError(f"Expected a trained run in {run}: no epoch of it is finished.")
    return {name: epochs[-1][name] for name in ("examples_per_second", "data_wait_fraction")}


@command()
def main(argv: list[str] | None = None) -> None:
    """The command line."""
    from absl import app, flags

    flags.DEFINE_string("run_dir", None, "The run to judge.", required=True)
    flags.DEFINE_string("dataset_dir", None, "The run's dataset, if its folder has moved since.")
    flags.DEFINE_enum(
        "split",
        None,
        SPLITS,
        "Only print the numbers of this split. Without it all are judged, and results and report written.",
    )
    flags.DEFINE_integer(
        "folds",
        None,
        "Of a run with --train=head: judge every painting once, by a head fitted to the other folds; works stay in one "
        "fold. It takes seconds, and shows artists with few paintings that the test split hardly shows. Written into "
        "the report. 5 is usual.",
        lower_bound=2,
    )
    flags.DEFINE_integer("batch_size", BATCH_SIZE, "Crops per step; less where memory is short.", lower_bound=1)

    def judge(_: list[str]) -> None:
        run = RunFolder(flags.FLAGS.run_dir)
        if not run.exists:  # it would be made, to be held
            raise RunError(f"Expected a run in {run}. Found none.")
        if flags.FLAGS.split and flags.FLAGS.folds:
            raise InputError("--split judges the saved model, --folds heads of all paintings. Pass one of them.")
        dataset = Dataset.open(flags.FLAGS.dataset_dir or run.dataset_dir)
        if flags.FLAGS.split:
            say(table(evaluate_split(run, dataset, flags.FLAGS.split, flags.FLAGS.batch_size), flags.FLAGS.split))
            return
        with exclusive(run.path, "A trainer.main", "--run_dir"):
            write(run, dataset)

    def write(run: RunFolder, dataset: Dataset) -> None:
        if flags.FLAGS.folds:
            from trainer.training.head import cross_validate  # here: --help answers before TensorFlow is loaded

            found = cross_validate(run, dataset, flags.FLAGS.folds)
            write_report(run)
            say(folds_table(found))
            return
        source = by_model(run, dataset, flags.FLAGS.batch_size)
        results = evaluate_run(run, dataset, source, _throughput(run))
        write_report(run)
        say(table(results, "test"))

    app.run(judge, argv)


if __name__ == "__main__":
    sys.exit(main())
