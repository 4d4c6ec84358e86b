"""Values in the order of their keys, and by key, however many there are: sorted runs on the disk, merged."""

from __future__ import annotations

import heapq
import itertools
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import itemgetter
from typing import IO, TypeVar

from pipeline.errors import StorageError
from pipeline.storage import plain

T = TypeVar("T")
RUN = 20_000  # values in memory at a time
MOST_RUNS = 256  # open at a time


def sort_by_key(values: Iterable[T], kind: type[T], key: Callable[[T], str], folder: str) -> Iterator[tuple[str, T]]:
    """Yields (key, value) in the order of keys, which hold no tab and no line break; of one key in any order.

    No more than RUN values are in memory. What does not fit lies in files of the folder, which have no names and are
    gone with whoever sorts.

    Args:
      values: to be sorted.
      kind: their dataclass.
      key: of a value.
      folder: on this machine's disk.

    Raises:
      StorageError: there is no room in the folder.
    """
    keyed = ((key(value), value) for value in values)
    runs: list[IO[bytes]] = []
    while run := sorted(itertools.islice(keyed, RUN), key=itemgetter(0)):
        if not runs and len(run) < RUN:
            yield from run
            return
        runs.append(_spill(((key, plain.to_json(value)) for key, value in run), folder))
        if len(runs) == MOST_RUNS:
            runs = [_spill(_merge(runs), folder)]
    for text, content in _merge(runs):
        yield text, plain.from_json(kind, content)


def group_by_key(values: Iterable[T], kind: type[T], key: Callable[[T], str], folder: str) -> Iterator[list[T]]:
    """Yields the values of each key, in the order of keys: of one key in any order. Arguments as of `sort_by_key`."""
    for _, pairs in itertools.groupby(sort_by_key(values, kind, key, folder), itemgetter(0)):
        yield [value for _, value in pairs]


def _spill(run: Iterable[tuple[str, bytes]], folder: str) -> IO[bytes]:
    try:
        file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  # it is read later, and closed when nobody holds it
        file.writelines(key.encode() + b"\t" + content + b"\n" for key, content in run)
        file.seek(0)
    except OSError as error:
        raise StorageError(
            f"Paintings cannot be sorted in {folder} ({error.strerror}): that takes about 4 KB of its disk for each. "
            "Set TMPDIR to a folder that has room, and run the same command again."
        ) from error
    return file


def _merge(runs: Sequence[IO[bytes]]) -> Iterator[tuple[str, bytes]]:
    return heapq.merge(*map(_lines, runs), key=itemgetter(0))


def _lines(run: IO[bytes]) -> Iterator[tuple[str, bytes]]:
    for line in run:
        key, _, content = line.rstrip(b"\n").partition(b"\t")
        yield key.decode(), content
