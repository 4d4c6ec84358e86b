"""python -m trainer.main --flagfile=trainer/recipes/quickstart.flags: train, evaluate, report.

Run the same command again to resume from where it stopped. `--help` says what each flag does and when to turn it;
`--flagfile=FILE` reads flags from a file, one a line, and later flags win over it.
"""

from __future__ import annotations

import sys
from contextlib import nullcontext
from logging import LogRecord
from pathlib import Path
from typing import Any

from absl import app, flags, logging

from pipeline.errors import InputError
from pipeline.storage.files import is_remote
from pipeline.storage.lock import exclusive
from pipeline.terminal.command import RESUMES, command
from pipeline.terminal.streams import complain, printable, say
from trainer import config as flags_of_config
from trainer.config import ADAMW_DECAY, FLAGS, Config, define_flags
from trainer.errors import InterruptedRunError


def config_from_flags(given: flags.FlagValues = flags.FLAGS) -> Config:
    """The flags as one value. Raises InputError where two of them do not go together."""
    values: dict[str, Any] = {name: given[name].value for name in FLAGS}
    if values["weight_decay"] is None:
        values["weight_decay"] = ADAMW_DECAY if values["optimizer"] == "adamw" else 0.0
    if values["run_dir"] is None:
        scheme = Path(values["dataset_dir"]).resolve()
        name = scheme.parent.name if scheme.name[0].isdigit() else scheme.name
        values["run_dir"] = f"runs/{name}-{values['backbone'].lower()}"
    if is_remote(values["run_dir"]):
        raise InputError(
            f"--run_dir={values['run_dir']}: a run is written on this machine. Pass a local folder, and copy it when "
            "the run has ended; --dataset_dir may be an address."
        )
    return Config(**values)


class _Printable(logging.PythonFormatter):
    """Log lines without orders to a terminal, which the names of files may hold."""

    def format(self, record: LogRecord) -> str:
        return printable(super().format(record))


def run(config: Config) -> None:
    """Trains (or resumes), evaluates the best model, and writes the report."""
    logging.set_verbosity(logging.WARNING)
    logging.get_absl_handler().setFormatter(_Printable())
    # Imported here: --help and a wrong flag answer before TensorFlow is loaded.
    from pipeline.dataset.dataset import Dataset
    from pipeline.storage.cache import FileCache
    from trainer.data.requirements import check_dataset

    cache = FileCache(config.cache_dir, int(config.cache_gib * 2**30)) if config.cache_dir else None
    dataset = Dataset.open(config.dataset_dir, cache)
    check_dataset(dataset)
    from trainer.judging.evaluation import by_model, evaluate_run
    from trainer.pages.report import write_report
    from trainer.pages.text import table
    from trainer.run.folder import RunFolder
    from trainer.training.head import train_head
    from trainer.training.loop import train

    folder = RunFolder(config.run_dir)
    alone = config.strategy != "multiworker"  # whose machines share the folder
    with exclusive(folder.path, "Another trainer.main", "--run_dir") if alone else nullcontext():
        if config.train == "head":
            throughput, source = train_head(config, folder, dataset)
        else:
            throughput, is_chief = train(config, folder, dataset)
            if not is_chief:
                return
            source = by_model(folder, dataset, config.batch_size)
        results = evaluate_run(folder, dataset, source, throughput)
        report = write_report(folder)
    say(table(results, "test"))
    say(f"Results: {folder.results}\nReport:  {report}")


def _command(argv: list[str]) -> int:
    if len(argv) > 1:
        raise app.UsageError(f"Expected flags only. Received {' '.join(argv[1:])}.")
    try:
        run(config_from_flags())
    except InterruptedRunError as stop:
        complain(stop)
        return 128 + stop.signal
    return 0


@command(RESUMES)
def main(argv: list[str] | None = None) -> None:
    """The command line."""
    define_flags()
    flags.adopt_module_key_flags(flags_of_config)  # or --help would not show them
    app.run(_command, argv)


if __name__ == "__main__":
    sys.exit(main())
