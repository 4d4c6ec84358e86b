"""Many small jobs in few files: a job is named by its file and by where in it, and one request reads it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from pipeline.storage import files

ENDING = ".jobs"
PART = 2**24  # bytes of a file of jobs, about


class Job(NamedTuple):
    """Where a job lies; `str` of it is the job's name.

    Attributes:
      path: of a file of jobs.
      first, bytes: of that file's bytes, the first that is the job's, and how many are.
    """

    path: str
    first: int
    bytes: int

    def __str__(self) -> str:
        return f"{self.path}#{self.first}+{self.bytes}"


def parse_name(name: str) -> Job:
    """The inverse of `str`. Raises ValueError."""
    path, _, place = name.rpartition("#")
    first, _, count = place.partition("+")
    return Job(path, int(first), int(count))


def write_jobs(folder: str, contents: Iterable[bytes]) -> Iterator[str]:
    """Writes files of jobs, called by what they hold, and yields the name of each job, once its file is there.

    Args:
      folder: which the workers see.
      contents: of jobs, what `read_job` is to give.

    Raises:
      StorageError: as `files.write`.
    """
    held, size = list[bytes](), 0
    for content in contents:
        held.append(content)
        size += len(content)
        if size >= PART:
            yield from _write_part(folder, held)
            held, size = [], 0
    if held:
        yield from _write_part(folder, held)


def read_job(name: str) -> bytes:
    """The content of a job. Raises as `files.read`."""
    return files.read_range(*parse_name(name))


def _write_part(folder: str, contents: list[bytes]) -> Iterator[str]:
    digest = hashlib.sha256()
    for content in contents:
        digest.update(content)
    path = files.join(folder, f"{digest.hexdigest()[:16]}{ENDING}")
    files.write(path, contents)
    first = 0
    for content in contents:
        yield str(Job(path, first, len(content)))
        first += len(content)
