"""python -m trainer.table RUNS...: every recipe's scores in one table, seeds put together.

RUNS are run folders, or folders of them. Writes table.md, table.csv and table.html, and prints the first.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pipeline.terminal.command import command
from pipeline.terminal.streams import say
from trainer.run import outcomes
from trainer.series.tables import markdown, write_tables


@command()
def main(argv: list[str] | None = None) -> None:
    """The command line."""
    from absl import app, flags

    flags.DEFINE_string("output", None, "Folder to write the tables into. Default: the first of RUNS.")

    def run(arguments: list[str]) -> None:
        folders = [Path(name) for name in arguments[1:]]
        if not folders:
            raise app.UsageError("Expected runs or folders of runs: python -m trainer.table RUNS...")
        output = Path(flags.FLAGS.output or folders[0])
        found = outcomes.find(folders)
        table = write_tables(found, output)
        say(markdown(table))
        say(f"{len(found)} runs: {output / 'table.md'}, {output / 'table.csv'}, {output / 'table.html'}")

    app.run(run, argv)


if __name__ == "__main__":
    sys.exit(main())
