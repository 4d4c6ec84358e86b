"""python -m trainer.report --run_dir=RUN: what a run found, as one HTML file to read, print and send."""

from __future__ import annotations

import sys

from pipeline.terminal.command import command
from pipeline.terminal.streams import say
from trainer.pages.report import write_report
from trainer.run.folder import RunFolder


@command()
def main(argv: list[str] | None = None) -> None:
    """The command line."""
    from absl import app, flags

    flags.DEFINE_string("run_dir", None, "The run to report on.", required=True)

    def run(_: list[str]) -> None:
        say(write_report(RunFolder(flags.FLAGS.run_dir)))

    app.run(run, argv)


if __name__ == "__main__":
    sys.exit(main())
