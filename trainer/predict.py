"""python -m trainer.predict --run_dir=RUN FILE_OR_FOLDER...: who painted these pictures?

One file is answered in sentences. Several, or a folder, are answered as CSV on standard output, a line per picture as
soon as it is known, in the order given (folders in order of their paths). What cannot be read is named on standard
error, does not stop the rest, and makes the exit status 1; so does a map that cannot be written.
"""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pipeline.dataset.rejects import NOT_REGULAR
from pipeline.errors import InputError, StorageError
from pipeline.gallery.listing import list_local, list_remote
from pipeline.gallery.sorting import picture_faults, sort_listing, tally
from pipeline.pictures.fault import ImageError
from pipeline.pictures.guard import MAX_SECONDS
from pipeline.storage import files, objects
from pipeline.storage.cells import escape
from pipeline.storage.web import is_web
from pipeline.terminal import streams
from pipeline.terminal.command import command
from trainer.run.expertise import MAX_PIXELS_HELP, MAX_SECONDS_HELP
from trainer.run.folder import RunFolder

if TYPE_CHECKING:
    from trainer.asking.attributor import Attribution, Attributor
    from trainer.asking.opening import Picture

RECORDS = 64  # asked about at once
_LONGEST_NAME = 255  # bytes, on nearly every file system
COLUMNS = ("path", "artist", "probability", "unsure", "none_of_these", "top5")
_SAID = {True: "yes", False: "no", None: ""}


def pictures(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(path, fault) of every picture asked about, in order; "" where nothing is known to be wrong with it.

    Below a folder, a file is a picture by the same rule as for building (`pipeline.gallery.kinds`). What is left out is
    said on standard error; a folder without a picture is a fault.

    Raises:
      InputError: a folder of an object store is empty or cannot be listed.
    """
    for argument in arguments:
        if is_folder(argument):
            yield from _in_folder(argument.rstrip("/") if files.is_remote(argument) else str(Path(argument)))
        elif files.is_remote(argument) or Path(argument).is_file():
            yield argument if files.is_remote(argument) else str(Path(argument)), ""
        else:
            yield str(Path(argument)), f"{NOT_REGULAR}: a pipe, socket or device"


def is_folder(argument: str) -> bool:
    """Whether it names a folder; of an object store, whatever no object has as its name.

    Raises:
      OSError, StorageError: the store cannot be asked.
    """
    if is_web(argument):
        return False
    return objects.head(argument) is None if files.is_remote(argument) else Path(argument).is_dir()


def _in_folder(root: str) -> Iterator[tuple[str, str]]:
    listing = list_remote(root) if files.is_remote(root) else list_local(root)
    pictures, others = sort_listing(root, listing)
    found = [(file.path, "") for file in pictures]
    found += [(fault.path, f"{fault.reason}: {fault.detail}") for fault in picture_faults(listing)]
    left_out = tally(others)
    if not found:
        yield root, f"it holds no pictures, only other files: {left_out}" if left_out else "the folder is empty"
    elif left_out:
        streams.complain(f"note: files of {streams.name(root)} that are no pictures were left out: {left_out}.")
    yield from ((path if root == "." else files.join(root, path), fault) for path, fault in sorted(found))


def map_path(map_dir: Path, path: str, digest: str) -> Path:
    """Where the map of a picture goes: of two files with one name, both get one, and the longest name is cut."""
    stem, rest = PurePosixPath(path).stem, f"-{digest[:8]}.png"
    while len(os.fsencode(stem + rest)) > _LONGEST_NAME:
        stem = stem[:-1]
    return map_dir / (stem + rest)


def draw_map(attributor: Attributor, picture: Picture, path: str, map_dir: Path) -> tuple[Path | None, str]:
    """(where the map of a picture was written, why that could not be).

    Raises:
      RunError: the run cannot draw one.
    """
    from trainer.pages import maps

    page = maps.draw(picture.whole.image, attributor.regions(picture), attributor.expertise.labels)
    drawn = map_path(map_dir, path, picture.digest)
    try:
        with files.stream(drawn) as stream:
            page.save(stream, "PNG")
    except StorageError as error:
        return None, str(error)
    return drawn, ""


def row(path: str, answer: Attribution) -> list[str]:
    """A line of the CSV, escaped as in `storage.cells`; `top5` reads "artist probability; artist probability; ...".

    `none_of_these` is "" of a run that cannot tell.
    """
    ranked = "; ".join(f"{artist} {probability:.4f}" for artist, probability in answer.ranked)
    said = _SAID[answer.unsure], _SAID[answer.stranger]
    cells = [path, answer.artist, f"{answer.probability:.4f}", *said, ranked]
    return [escape(cell, keep_bytes=True) for cell in cells]


def sentences(path: str, answer: Attribution, labels: Sequence[str], drawn: Path | None) -> str:
    """The answer for one picture, to read in a terminal."""
    lines = [streams.name(path)]
    if answer.trained_on:
        lines.append("The run was trained on this very file: that it knows it is no evidence.")
    if answer.stranger:
        lines.append("It looks to be by none of the artists that this run knows.")
    if answer.unsure:
        lines.append("Unsure. If it had to name someone:")
    lines += [f"  {probability:6.1%}  {artist}" for artist, probability in answer.ranked]
    lines.append("Nearest training paintings (cosine similarity):")
    lines += [
        f"  {near.similarity:6.3f}  {labels[near.label]}  {streams.name(near.path or near.painting_id)}"
        for near in answer.nearest
    ]
    return "\n".join([*lines, f"Map: {drawn}"] if drawn else lines)


def predict(
    run: RunFolder,
    arguments: Sequence[str],
    map_dir: Path | None,
    max_pixels: int | None = None,
    max_seconds: float = MAX_SECONDS,
) -> int:
    """Answers on standard output. Returns how many pictures lack an answer, or a map that was asked for.

    Pictures are opened in processes of their own, some ahead of the others, and their records pass the network
    together; answers come in the order of the pictures.

    Args:
      run: to ask.
      arguments: files and folders.
      map_dir: where to write maps; None for none.
      max_pixels, max_seconds: as for `Attributor`.

    Raises:
      InputError, RunError: nothing can be answered.
    """
    from trainer.asking import opening

    for argument in arguments:
        if not (files.is_remote(argument) or Path(argument).exists()):
            raise InputError(f"There is no file or folder {argument}.")
    opening.prepare()  # while TensorFlow is imported
    as_table = len(arguments) > 1 or is_folder(arguments[0])
    listed = list(pictures(arguments))
    from trainer.asking.attributor import Attributor

    with Attributor(run, max_pixels, max_seconds) as attributor:
        answers = Answers(attributor, as_table)
        if map_dir is not None and not _is_folder(map_dir):
            map_dir, answers.unmapped = None, 1
        if as_table:
            answers.write(COLUMNS)
        answer_all(answers, listed, map_dir)
    if answers.unreadable:
        streams.complain(f"{answers.unreadable} of the files could not be read.")
    return answers.unreadable + answers.unmapped


def answer_all(answers: Answers, listed: Sequence[tuple[str, str]], map_dir: Path | None) -> None:
    """Opens and answers what `pictures` has listed."""
    for ready in _opened(answers.attributor, listed, map_dir is not None):
        answers.give(ready, map_dir)


Ready = list[tuple[str, "Picture | Exception"]]


def _opened(attributor: Attributor, listed: Sequence[tuple[str, str]], whole: bool) -> Iterator[Ready]:
    """The pictures in their order, as many at once as fill a step of the network; whole ones come one by one."""
    opened = attributor.open_all((path for path, fault in listed if not fault), whole)
    ready: Ready = []
    records = 0
    for path, fault in listed:
        found = OSError(fault) if fault else next(opened)
        ready.append((path, found))
        records += 0 if isinstance(found, Exception) else len(found.examples)
        if whole or records >= RECORDS:
            yield ready
            ready, records = [], 0
    if ready:
        yield ready


class Answers:
    """Writes answers, and counts what could not be answered.

    Attributes:
      attributor: whom it asks.
      unreadable: files that are no sound pictures, or cannot be read.
      unmapped: pictures, or all, of which no map could be drawn.
    """

    def __init__(self, attributor: Attributor, as_table: bool) -> None:
        self.unreadable = self.unmapped = 0
        self.attributor, self._as_table = attributor, as_table
        self._table = csv.writer(sys.stdout, lineterminator="\n")

    def write(self, cells: Sequence[str]) -> None:
        """A line of the table."""
        self._table.writerow(cells)

    def give(self, ready: Ready, map_dir: Path | None) -> None:
        """Answers some pictures, in order."""
        sound = [found for _, found in ready if not isinstance(found, Exception)]
        answers = iter(self.attributor.attribute_all(sound) if sound else [])
        for path, found in ready:
            if isinstance(found, OSError | ImageError):
                self.unreadable += 1
                streams.complain(f"{streams.name(path)}: {getattr(found, 'strerror', None) or found}")
            elif isinstance(found, Exception):
                raise found
            else:
                self._answer(path, found, next(answers), map_dir)
        sys.stdout.flush()

    def _answer(self, path: str, picture: Picture, answer: Attribution, map_dir: Path | None) -> None:
        drawn, no_map = draw_map(self.attributor, picture, path, map_dir) if map_dir else (None, "")
        if self._as_table:
            self.write(row(path, answer))
        else:
            streams.say(sentences(path, answer, self.attributor.expertise.labels, drawn))
        if no_map:
            self.unmapped += 1
            streams.complain(f"{streams.name(path)}: answered, without a map. {no_map}")


def _is_folder(map_dir: Path) -> bool:
    """Makes the folder of maps; where that cannot be, says so: what is asked is answered all the same."""
    try:
        map_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        streams.complain(f"No maps are drawn: --map={map_dir} is no folder ({error.strerror}). Name a new one.")
        return False
    return True


@command()
def main(argv: list[str] | None = None) -> None:
    """The command line."""
    from absl import app, flags

    flags.DEFINE_string("run_dir", None, "The run to ask.", required=True)
    flags.DEFINE_string("map", None, "Folder for maps: a PNG per picture, tinted by the artist each region speaks for.")
    flags.DEFINE_integer("max_pixels", None, MAX_PIXELS_HELP, lower_bound=1)
    flags.DEFINE_float("max_seconds", MAX_SECONDS, MAX_SECONDS_HELP, lower_bound=0.001)

    def run(arguments: list[str]) -> int:
        if len(arguments) < 2:
            raise app.UsageError("Expected pictures or folders: python -m trainer.predict --run_dir=RUN FILE_OR_FOLDER")
        map_dir = Path(flags.FLAGS.map) if flags.FLAGS.map else None
        streams.pass_paths()
        given = flags.FLAGS
        lacking = predict(RunFolder(given.run_dir), arguments[1:], map_dir, given.max_pixels, given.max_seconds)
        return int(lacking > 0)

    app.run(run, argv)


if __name__ == "__main__":
    sys.exit(main())
