"""python -m pipeline.sample --data_dir=DIR --paintings=N --output=CSV: a few of a folder's paintings, as a manifest.

For a quick look at a large gallery: pipeline.build takes the manifest with `--data_dir=DIR --manifest=CSV`. Every
artist stays, with three paintings at least (one for each split), and the rest in proportion. Which ones is a function
of their names within the folder: the same folder gives the same sample on every machine.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import sys
from collections import Counter
from collections.abc import Iterable, Mapping

from pipeline.errors import InputError
from pipeline.gallery.find import find_gallery
from pipeline.storage import files
from pipeline.terminal.command import command
from pipeline.terminal.streams import say

DESCRIPTION = "Take a few of a folder's paintings, every artist kept, as a manifest for pipeline.build --manifest=CSV."
FEWEST = 3  # paintings of each artist, one for each split


def quotas(paintings: Mapping[str, int], total: int) -> dict[str, int]:
    """How many of each artist's paintings a sample of `total` takes.

    Three of each where there are three, and the rest in proportion to what is left, by largest remainder.

    Raises:
      InputError: `total` is too small for that.
    """
    least = {artist: min(FEWEST, count) for artist, count in paintings.items()}
    spare = total - sum(least.values())
    if spare < 0:
        raise InputError(
            f"A sample needs at least {sum(least.values())} paintings, {FEWEST} of each of the {len(paintings)} "
            f"artists, so that every split gets one of each. Received {total}."
        )
    left = {artist: count - least[artist] for artist, count in paintings.items()}
    rest = sum(left.values())
    if spare >= rest:
        return dict(paintings)
    floors = {artist: least[artist] + spare * count // rest for artist, count in left.items()}
    by_remainder = sorted(left, key=lambda artist: (-(spare * left[artist] % rest), artist))
    for artist in by_remainder[: total - sum(floors.values())]:
        floors[artist] += 1
    return floors


def choose(paintings: Iterable[tuple[str, str]], total: int) -> list[tuple[str, str]]:
    """A sample of (relative path, artist), sorted by path. Raises InputError as `quotas`."""
    hashed = sorted(paintings, key=lambda painting: hashlib.sha256(painting[0].encode()).digest())
    wanted = Counter(quotas(Counter(artist for _, artist in hashed), total))
    chosen = []
    for path, artist in hashed:
        if wanted[artist]:
            wanted[artist] -= 1
            chosen.append((path, artist))
    return sorted(chosen)


def manifest(paintings: Iterable[tuple[str, str]]) -> str:
    """The CSV that pipeline.build reads."""
    stream = io.StringIO()
    table = csv.writer(stream, lineterminator="\n")
    table.writerow(("path", "artist"))
    table.writerows(paintings)
    return stream.getvalue()


@command()
def main(argv: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser("python -m pipeline.sample", description=DESCRIPTION)
    parser.add_argument("--data_dir", required=True, metavar="DIR", help="folder of paintings, as for pipeline.build")
    parser.add_argument("--paintings", required=True, type=int, metavar="N", help="how many to take")
    parser.add_argument("--output", required=True, metavar="CSV", help="the manifest to write")
    flags = parser.parse_args(argv)
    found = find_gallery(flags.data_dir)
    named = ((each.path.removeprefix(f"{found.root}/"), each.artist) for each in found.candidates)
    chosen = choose(named, flags.paintings)
    files.write(flags.output, [manifest(chosen).encode()])
    say(f"{flags.output}: {len(chosen):,} of {len(found.candidates):,} paintings by {len(found.artists)} artists.")


if __name__ == "__main__":
    sys.exit(main())
