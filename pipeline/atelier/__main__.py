"""python -m pipeline.atelier --output=DIR: paints the embedded gallery."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pipeline.atelier.gallery import DEFAULT, FEWEST, write_gallery
from pipeline.atelier.painters import PAINTERS
from pipeline.terminal.command import RESUMES, command
from pipeline.terminal.progress import Progress
from pipeline.terminal.streams import say


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.atelier",
        description="Paint a gallery of invented painters, in the layout of Kaggle's Best Artworks of All Time.",
        epilog="Run the same command again to continue a run that was cut off. "
        "Build from it with: python -m pipeline.build --data_dir=DIR --crop=64 --samples=16",
    )
    parser.add_argument("--output", required=True, type=Path, metavar="DIR", help="a folder that is new or empty")
    parser.add_argument(
        "--paintings",
        type=int,
        default=DEFAULT,
        metavar="N",
        help=f"how many, at least {FEWEST * len(PAINTERS)} (%(default)s)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="S", help="another seed paints other pictures (%(default)s)"
    )
    parser.add_argument("--defects", action="store_true", help="add the broken and odd files that real folders hold")
    return parser


@command(RESUMES)
def main(argv: list[str] | None = None) -> None:
    """The command line."""
    flags = _parser().parse_args(argv)
    with Progress("paint", flags.paintings, stays=False) as progress:
        write_gallery(
            flags.output,
            flags.paintings,
            flags.seed,
            flags.defects,
            on_progress=lambda done, _: progress.reach(done),
        )
    odd = ", and the files of pipeline.atelier.defects" if flags.defects else ""
    say(f"{flags.output}: {flags.paintings} paintings by {len(PAINTERS)} painters (seed {flags.seed}){odd}.")


if __name__ == "__main__":
    sys.exit(main())
