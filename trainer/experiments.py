"""python -m trainer.experiments --recipes=GLOB --datasets=DIR --runs=DIR: recipes run, and a table of what came of it.

Builds the datasets that are missing, runs what is not finished (every run resumes exactly), and keeps table.md,
table.csv and table.html in the folder of the runs up to date. A run that fails does not stop the rest. Ctrl-C lets the
run under way save its state; the same command resumes from there. Exit status: 0 all is finished, 1 something failed,
128 + the signal where one stopped it.
"""

from __future__ import annotations

import glob
import sys
from pathlib import Path

from absl import app, flags

from pipeline.errors import InputError
from pipeline.terminal.command import RESUMES, command
from trainer.series import recipe, runner
from trainer.series.provision import Source
from trainer.series.recipe import RECIPES, Recipe


def define_flags() -> None:
    """The flags of this command."""
    flags.DEFINE_string("recipes", str(RECIPES / "*.flags"), "Flagfiles to run, a pattern in quotes: 'recipes/crop*'.")
    flags.DEFINE_string(
        "datasets", "datasets", "Folder of datasets, one per crop scheme; missing ones are built there."
    )
    flags.DEFINE_string("runs", "runs/experiments", "Folder for the runs (RECIPE/seed0 ...) and for the tables.")
    flags.DEFINE_string(
        "data_dir", None, "Folder of paintings to build missing datasets from. Default: the embedded gallery."
    )
    flags.DEFINE_integer(
        "epochs",
        None,
        "Cut every recipe to so many epochs; warm-up and the epochs of the head alone shrink in proportion. For a "
        "first look, or where time is short.",
        lower_bound=1,
    )
    flags.DEFINE_integer(
        "limit_paintings",
        None,
        "Build from so many paintings only: a smaller embedded gallery, or a sample of --data_dir that keeps every "
        "artist and is always the same. Give such datasets and runs folders of their own.",
        lower_bound=1,
    )
    flags.DEFINE_integer(
        "seeds",
        1,
        "Runs of each recipe, with seeds 0, 1, ...; 3 show how much of a difference is chance.",
        lower_bound=1,
    )
    flags.DEFINE_integer(
        "folds",
        None,
        "Cross-validate the runs of recipes with --train=head as well: every painting is judged once, which shows "
        "artists with few paintings that the test split hardly shows. Seconds each; 5 is usual.",
        lower_bound=2,
    )
    flags.DEFINE_bool(
        "offline",
        False,
        "Turn on where nothing can be downloaded: recipes that start from ImageNet weights start from nothing "
        f"instead, as recipes whose names end in {recipe.FROM_NOTHING}.",
    )


def read_recipes(pattern: str, epochs: int | None, offline: bool) -> list[Recipe]:
    """The recipes of a pattern, cut short and without pretrained weights where asked. Raises InputError."""
    found = [recipe.read(Path(name)) for name in sorted(glob.glob(pattern, recursive=True))]
    if not found:
        raise InputError(f"--recipes={pattern} matches no file. Those of this project: {RECIPES / '*.flags'}")
    names = [each.name for each in found]
    if twice := {name for name in names if names.count(name) > 1}:
        raise InputError(f"Two recipes are named {', '.join(sorted(twice))}, and would share a folder. Rename one.")
    if offline:
        found = [recipe.from_nothing(each) if each.pretrained else each for each in found]
    return [recipe.shortened(each, epochs) for each in found] if epochs else found


@command(RESUMES)
def main(argv: list[str] | None = None) -> None:
    """The command line."""
    define_flags()

    def run(arguments: list[str]) -> int:
        if len(arguments) > 1:
            raise app.UsageError(f"Expected flags only (a pattern in quotes). Received {' '.join(arguments[1:])}.")
        given = flags.FLAGS
        source = Source(Path(given.data_dir) if given.data_dir else None, given.limit_paintings)
        recipes = read_recipes(given.recipes, given.epochs, given.offline)
        if given.folds and not any(each.embeds for each in recipes):
            raise InputError(
                "--folds fits heads to embeddings, and none of these recipes has --train=head. Leave it out, or pass "
                f"--recipes={RECIPES / 'cpu_best.flags'}."
            )
        return runner.run(recipes, given.seeds, Path(given.datasets), Path(given.runs), source, given.folds)

    app.run(run, argv)


if __name__ == "__main__":
    sys.exit(main())
