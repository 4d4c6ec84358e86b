"""Every file looked at once: a small row for a painting, or a reject with its reason.

Rows are kept in `<output>/.survey/`, so that the next scheme, or a build that was killed, does not look again at a file
whose size and time of change are the same.
"""

from __future__ import annotations

import hashlib
import heapq
import itertools
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from pipeline.dataset.rejects import DAMAGED, OUT_OF_MEMORY, UNREADABLE
from pipeline.errors import IncompleteError
from pipeline.gallery.find import Candidate
from pipeline.pictures import guard, likeness, photograph
from pipeline.pictures.decode import decode
from pipeline.pictures.fault import ImageError
from pipeline.pictures.photograph import Photograph
from pipeline.storage import files, plain
from pipeline.storage.many import Many
from pipeline.storage.web import Downloads, is_web
from pipeline.workers.jobs import ENDING, parse_name, read_job, write_jobs
from pipeline.workers.results import Results, count

FORMAT = 7  # of the rows that are kept
LEAST, MOST = 32, 1024  # files a job looks at
SHARES = 512  # jobs that a gallery is cut into, if these are neither too small nor too large
PART = 10_000  # rows in a file of those that are kept
JOBS = "jobs"
ROWS = ".rows.jsonl"


@dataclass(frozen=True, slots=True)
class Row:
    """What is known of one file.

    Attributes:
      path, artist, bytes, modified, changed, split: of its gallery.Candidate.
      digest: hex SHA-256 of the file's bytes; "" for a reject that could not be read.
      hash, inner, look: of its pictures.likeness.Likeness; "" for a reject.
      width, height: of the upright picture, in pixels; 0 for a reject.
      reason, detail: why it was rejected; "" for a painting.
      photograph: what the file tells of itself.
    """

    path: str
    artist: str
    bytes: int
    modified: float
    changed: float = 0.0
    split: str = ""
    digest: str = ""
    hash: str = ""
    inner: str = ""
    look: str = ""
    width: int = 0
    height: int = 0
    reason: str = ""
    detail: str = ""
    photograph: Photograph = Photograph()  # noqa: RUF009  # frozen


@dataclass(frozen=True, slots=True)
class Todo:
    """What is left to look at: jobs, how many files need none, sentences for the user, and where rows appear."""

    jobs: tuple[str, ...]
    known: int
    notes: tuple[str, ...]
    results: Results


@dataclass(frozen=True, slots=True)
class Job:
    """Files to look at, the pixels above which one is rejected before it is decoded, and where downloads are kept."""

    candidates: tuple[Candidate, ...]
    max_pixels: int
    downloads: str


def look_at(candidate: Candidate, data: bytes, max_pixels: int) -> Row:
    """The row of a file with these bytes. Whatever is wrong with them is the row's reason."""
    row = Row(**plain.dump(candidate), digest=hashlib.sha256(data).hexdigest())
    if is_web(candidate.path):  # no listing says how many there are
        row = replace(row, bytes=len(data))
    try:
        with guard.watching(candidate.path):
            painting = decode(data, max_pixels=max_pixels, at_least=likeness.RESOLUTION, gray=True)
            alike = likeness.likeness(painting.image)
            facts = photograph.look(data, painting.pixels)
    except ImageError as error:
        return replace(row, reason=error.reason, detail=error.detail)
    except MemoryError:
        return replace(row, reason=OUT_OF_MEMORY, detail="looking at it asked for more memory than there is")
    except Exception as error:  # of one picture, in whatever library: it must not be the end of all others
        return replace(row, reason=DAMAGED, detail=f"{type(error).__name__}: {error}")
    return replace(row, **plain.dump(alike), width=painting.width, height=painting.height, photograph=facts)


def survey_batch(job: str) -> dict[str, Any]:
    """The step of one job: looks at a batch of files and writes their rows beside the jobs."""
    work = plain.from_json(Job, read_job(job))
    most = guard.most_bytes(work.max_pixels)
    paths = (candidate.path for candidate in work.candidates if candidate.bytes <= most)
    with files.ReadAhead(paths, Downloads(work.downloads, most).read) as ahead:
        rows = [_row(candidate, ahead, work.max_pixels) for candidate in work.candidates]
    plain.write_lines(_result_path(job), rows)
    return {"paintings": len(rows)}


def _row(candidate: Candidate, ahead: files.ReadAhead, max_pixels: int) -> Row:
    """What `look_at` says of a file, or why it cannot be read."""
    try:
        guard.check_file_size(candidate.bytes, max_pixels)
        return look_at(candidate, ahead.read(candidate.path), max_pixels)
    except ImageError as error:
        return Row(**plain.dump(candidate), reason=error.reason, detail=error.detail)
    except MemoryError:
        return Row(**plain.dump(candidate), reason=OUT_OF_MEMORY, detail="there is no room for its bytes")
    except OSError as error:
        return Row(**plain.dump(candidate), reason=UNREADABLE, detail=error.strerror or str(error))


def prepare(candidates: Many[Candidate], folder: str, max_pixels: int, downloads: str = "") -> Todo:
    """Writes the jobs that look at all candidates, those of an earlier survey excepted.

    Args:
      candidates: files that may be paintings, by path.
      folder: where rows are kept, for this gallery and this pixel limit.
      max_pixels: larger pictures are rejected before they are decoded.
      downloads: where pictures of the web are kept.
    """
    notes: list[str] = []
    known = todo = 0

    def unknown() -> Iterator[Candidate]:
        nonlocal known, todo
        for candidate, row in _match(candidates, _read_rows(folder, notes)):
            # A reject is looked at again: the permission or the network that failed may have been fixed.
            if row and not row.reason:
                known += 1
            else:
                todo += 1
                yield candidate

    def batches() -> Iterator[bytes]:
        remaining = unknown()
        while batch := tuple(itertools.islice(remaining, size)):
            yield plain.to_json(Job(batch, max_pixels, downloads))

    size = min(MOST, max(LEAST, len(candidates) // SHARES))
    where = files.join(folder, JOBS)
    jobs = tuple(write_jobs(where, batches()))
    return Todo(jobs, known, tuple(notes), Results((where,), ROWS, count((where,), ROWS), len(jobs), todo))


def collect(candidates: Iterable[Candidate], folder: str) -> Iterator[Row]:
    """The rows of all candidates, by path, when all jobs are done. Once all are asked for, they are kept.

    Args:
      candidates: files that may be paintings, by path.
      folder: where rows are kept.

    Raises:
      IncompleteError: files were not looked at, whatever the runner said.
    """
    if not files.sizes(files.join(folder, JOBS)):
        yield from _known(candidates, folder)
    else:
        yield from keep_rows(_known(candidates, folder), folder)
        files.remove_tree(files.join(folder, JOBS))


def _known(candidates: Iterable[Candidate], folder: str) -> Iterator[Row]:
    unseen, first = 0, ""
    for candidate, row in _match(candidates, _read_rows(folder, [])):
        if row:
            yield replace(row, artist=candidate.artist, split=candidate.split)
        else:
            unseen, first = unseen + 1, first or candidate.path
    if unseen:
        raise IncompleteError(
            f"{unseen:,} files were not looked at, {first} first. Run the same command again: only these are looked at."
        )


def forget(paths: Collection[str], folder: str) -> None:
    """Lets files be looked at again by the next survey, whatever their size and times say."""
    for _ in keep_rows((row for row in _read_rows(folder, []) if row.path not in paths), folder):
        pass


def _match(candidates: Iterable[Candidate], rows: Iterable[Row]) -> Iterator[tuple[Candidate, Row | None]]:
    """Each candidate with the row that is of that file still; both are in the order of paths, and so is the result."""
    rows_first: Iterator[Row | Candidate] = heapq.merge(
        rows, candidates, key=lambda file: (file.path, isinstance(file, Candidate))
    )
    for _, same in itertools.groupby(rows_first, key=lambda file: file.path):
        states: dict[tuple[str, int, float, float], Row] = {}
        for file in same:
            if isinstance(file, Candidate):
                yield file, states.get(_state(file))
            else:
                states[_state(file)] = file


def _state(file: Candidate | Row) -> tuple[str, int, float, float]:
    """What must be the same for a row to be of that file still.

    The inode's time is among it: copying, syncing and editing can keep size and time of a file whose content is new.
    What was fetched from the web stays as it was kept.
    """
    return file.path, 0 if is_web(file.path) else file.bytes, file.modified, file.changed


def cache_folder(output_dir: str, data_dir: str, max_pixels: int) -> str:
    """Where the rows of a gallery are kept."""
    key = hashlib.sha256(json.dumps([FORMAT, data_dir, max_pixels]).encode()).hexdigest()[:12]
    return files.join(output_dir, ".survey", key)


# --- Rows that are kept ----------------------------------------------------------------------------------------------


def _result_path(job: str) -> str:
    place = parse_name(job)
    return f"{place.path.removesuffix(ENDING)}-{place.first:09d}{ROWS}"


def _read_rows(folder: str, notes: list[str]) -> Iterator[Row]:
    """The rows of a finished survey, and of jobs that a killed one had finished, by path.

    Of a damaged file, those before the damage, and a sentence added to `notes`: the others are made again.
    """
    series: dict[str, list[str]] = defaultdict(list)  # files that follow each other, as their names and rows do
    for place in (folder, files.join(folder, JOBS)):
        for name in sorted(files.sizes(place)):
            if name.endswith(ROWS) and not name.startswith(files.TEMPORARY):
                series[name.rpartition("-")[0]].append(files.join(place, name))
    yield from heapq.merge(*(_chain(paths, notes) for paths in series.values()), key=lambda row: row.path)


def _chain(paths: Iterable[str], notes: list[str]) -> Iterator[Row]:
    for path in paths:
        try:
            yield from plain.read_lines(path, Row)
        except ValueError as error:
            notes.append(f"{path} is damaged ({error}): the files that it lacks are looked at again")


def keep_rows(rows: Iterable[Row], folder: str) -> Iterator[Row]:
    """Passes rows on, which come by path; once all are asked for, they are kept in place of those of before."""
    old = [name for name in files.sizes(folder) if name.endswith(ROWS)]
    series = 1 + max((int(name.partition("-")[0]) for name in old if name.partition("-")[0].isdecimal()), default=0)
    remaining = iter(rows)
    for part in itertools.count():
        held = tuple(itertools.islice(remaining, PART))
        if not held:
            break
        plain.write_lines(files.join(folder, f"{series}-{part:05d}{ROWS}"), held)
        yield from held
    for name in old:
        files.remove(files.join(folder, name))
