"""The embedded gallery: paintings by invented painters, so that everything runs with no download.

    python -m pipeline.atelier --output=gallery --paintings=480

writes Kaggle's layout: `artists.csv` and `images/images/<Artist_Name>/<Artist_Name>_<n>.jpg`. A painting is a function
of (seed, painter, index) alone, so that paintings are made in parallel and a killed run resumes where it was. The same
seed gives the same files byte for byte with the same numpy and Pillow on the same kind of processor.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import as_completed
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.atelier import painters
from pipeline.atelier.painters import PAINTERS
from pipeline.errors import InputError
from pipeline.storage import files
from pipeline.storage.lock import LOCK_FILE, exclusive
from pipeline.workers.processes import deaf_to_interrupts, pool

DEFAULT = 480  # paintings: the smallest class still has eight, and painting them takes half a minute on two cores
FEWEST = 3  # paintings of each painter, one for each split
MARKER = ".atelier.json"
VERSION = 1  # of the pictures; raised when a change to the painters changes their bytes
_RATIO = 12  # of the largest class to the smallest; 877 van Goghs to 24 Pollocks is 37 in the reference set
_COLUMNS = ("id", "name", "years", "genre", "nationality", "bio", "wikipedia", "paintings")

Task = tuple[str, int, int, int]  # file, seed, painter, index


def paint(seed: int, painter: int, index: int) -> Image.Image:
    """The `index`-th painting of the painter of that number, as in `painters.paint`."""
    return painters.paint(seed, painter, index)


def counts(paintings: int) -> dict[str, int]:
    """How many of `paintings` are by whom: a geometric decay, 12 to 1 where that leaves the last painter three.

    Raises:
      InputError: fewer than three for each painter.
    """
    least = FEWEST * len(PAINTERS)
    if paintings < least:
        raise InputError(
            f"The atelier needs at least {least} paintings, {FEWEST} for each of its {len(PAINTERS)} painters, so "
            f"that every split gets one of each. Received {paintings}."
        )
    weights = _RATIO ** -np.linspace(0, 1, len(PAINTERS))
    share = np.maximum(FEWEST, np.floor(weights / weights.sum() * paintings)).astype(int)
    while share.sum() > paintings:  # a small gallery, its tail raised to three
        share[np.flatnonzero(share == share.max())[-1]] -= 1
    share[: paintings - share.sum()] += 1  # what rounding down left over
    return {painter.name: int(count) for painter, count in zip(PAINTERS, share, strict=True)}


def folder_name(artist: str) -> str:
    """Kaggle's folder of an artist: spaces become underscores."""
    return artist.replace(" ", "_")


def relative_path(artist: str, number: int) -> str:
    """Where the gallery keeps an artist's painting; numbers start at 1."""
    folder = folder_name(artist)
    return f"images/images/{folder}/{folder}_{number}.jpg"


def jpeg(seed: int, painter: int, index: int) -> bytes:
    """The file of a painting. Quality varies as it does among files from many hands."""
    quality = int(np.random.default_rng([seed, painter, index, 1]).integers(80, 96))
    stream = io.BytesIO()
    painters.paint(seed, painter, index).save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def artists_csv(paintings: dict[str, int]) -> str:
    """The table of the painters, in Kaggle's columns."""
    stream = io.StringIO()
    table = csv.writer(stream, lineterminator="\n")
    table.writerow(_COLUMNS)
    for number, painter in enumerate(PAINTERS):
        bio = f"{painter.name} is invented, and known for {painter.bio}."
        row = (number, painter.name, painter.years, painter.genre, painter.nationality, bio, "")
        table.writerow((*row, paintings[painter.name]))
    return stream.getvalue()


def write_gallery(
    output: Path,
    paintings: int = DEFAULT,
    seed: int = 0,
    defects: bool = False,
    workers: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> None:
    """Writes the gallery, or what is missing of it.

    Files are there whole or not at all, and no file that is there is touched. A second run beside the first waits for
    it and finds the work done.

    Args:
      output: a folder that is new, empty, or holds a gallery of the same `paintings`, `seed` and `defects`.
      paintings: how many, at least three for each painter.
      seed: at least 0.
      defects: adds what real folders hold; see `pipeline.atelier.defects`.
      workers: processes; all cores by default.
      on_progress: called with (done, all) paintings.

    Raises:
      InputError: the folder holds something else, or a value is out of range.
      StorageError: it cannot be written to.
    """
    if seed < 0:
        raise InputError(f"Expected a seed of 0 or more. Received {seed}.")
    share = counts(paintings)
    asked = {"version": VERSION, "seed": seed, "paintings": paintings, "defects": defects}
    _refuse_strangers(output)  # before a lock is left among them
    with exclusive(output, "Another atelier", "--output", wait=True):
        _claim(output, asked)
        for stale in output.glob(f"images/images/*/{files.TEMPORARY}*"):
            stale.unlink()
        wanted = [
            (str(output / relative_path(name, index + 1)), seed, painter, index)
            for painter, (name, count) in enumerate(share.items())
            for index in range(count)
        ]
        missing = [task for task in wanted if not Path(task[0]).exists()]
        done = len(wanted) - len(missing)
        for _ in _perform(missing, workers or os.cpu_count() or 1):
            done += 1
            if on_progress:
                on_progress(done, len(wanted))
        table = artists_csv(share)
        if defects:
            from pipeline.atelier.defects import ARTIST_ROWS, write_defects

            write_defects(output, seed)
            table += ARTIST_ROWS
        if not (output / "artists.csv").exists():
            files.write(str(output / "artists.csv"), [table.encode()])


def _claim(output: Path, asked: Mapping[str, int]) -> None:
    """Marks a folder as holding this gallery. Raises InputError where it holds another."""
    marker = output / MARKER
    if marker.exists():
        try:
            found = dict(json.loads(marker.read_text(encoding="utf-8")))
        except (ValueError, TypeError) as error:
            raise InputError(f"{marker} is not what this program writes. Name another folder.") from error
        if found != asked:
            differs = "; ".join(
                f"{key} is {found.get(key)}, not {asked[key]}" for key in asked if found.get(key) != asked[key]
            )
            raise InputError(f"{output} holds another gallery ({differs}). Name another folder, or delete this one.")
        return
    files.remove_temporary(str(output))
    files.write(str(marker), [json.dumps(asked).encode()])


def _refuse_strangers(output: Path) -> None:
    """Raises InputError where a folder holds files, and no gallery."""
    if not output.is_dir():
        return
    names = sorted(path.name for path in output.iterdir())
    strangers = [name for name in names if name != LOCK_FILE and not name.startswith(files.TEMPORARY)]
    if strangers and not (output / MARKER).exists():  # looked for last: another atelier may be about to write it
        shown = ", ".join(strangers[:3]) + (", ..." if len(strangers) > 3 else "")
        raise InputError(
            f"{output} holds files that are not of a gallery ({shown}). Name a folder that is new or empty; "
            "nothing of yours is overwritten."
        )


def _perform(tasks: list[Task], workers: int) -> Iterator[None]:
    """Paints and writes, yielding after each painting."""
    if workers == 1 or len(tasks) < 8:  # starting a process costs as much as a few paintings
        for task in tasks:
            _perform_one(task)
            yield
        return
    with pool(min(workers, len(tasks))) as hands:
        try:
            with deaf_to_interrupts():  # what came in the meantime is raised here
                futures = [hands.submit(_perform_one, task) for task in tasks]
            for future in as_completed(futures):
                future.result()
                yield
        finally:
            hands.shutdown(wait=True, cancel_futures=True)


def _perform_one(task: Task) -> None:
    path, seed, painter, index = task
    files.write(path, [jpeg(seed, painter, index)])
