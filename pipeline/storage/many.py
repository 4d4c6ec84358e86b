"""Values that may be too many for memory: in a file, a line for each, read again whenever they are asked for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from pipeline.storage import files

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T", bound=NamedTuple)


class Many(Protocol[T_co]):
    """As many values as one likes, which can be asked for again and again."""

    def __len__(self) -> int:
        """How many."""

    def __iter__(self) -> Iterator[T_co]:
        """All, one after the other."""


class OnDisk(Generic[T]):
    """Tuples of plain values in a file of this process's own."""

    def __init__(self, path: Path, kind: Callable[..., T], values: Iterable[T]) -> None:
        """Writes them. Raises as `files.write`."""
        self._path, self._kind, self._count = path, kind, 0
        files.write(path, self._lines(values))

    def _lines(self, values: Iterable[Any]) -> Iterator[bytes]:
        for value in values:
            self._count += 1
            yield json.dumps(value).encode() + b"\n"

    def __len__(self) -> int:
        """How many."""
        return self._count

    def __iter__(self) -> Iterator[T]:
        """All, one in memory at a time."""
        with self._path.open("rb") as stream:
            for line in stream:
                yield self._kind(*json.loads(line))


def hold(values: Iterable[T], kind: Callable[..., T], path: Path | None) -> Many[T]:
    """Values of one kind in a file, which is written; in memory where there is no path for one."""
    return tuple(values) if path is None else OnDisk(path, kind, values)
