"""Every file looked at once: a small row for a painting, or a reject with its reason.

Rows are kept in `<output>/.survey/`, so that the next scheme, or a build that was killed, does not look again at a file
whose size and time of change are the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pipeline.dataset.rejects import DAMAGED, OUT_OF_MEMORY, UNREADABLE, Reject
from pipeline.errors import DatasetError
from pipeline.gallery.find import Candidate
from pipeline.pictures import guard, likeness, photograph
from pipeline.pictures.decode import decode
from pipeline.pictures.fault import ImageError
from pipeline.pictures.photograph import Photograph
from pipeline.storage import files, plain

FORMAT = 5  # of the rows that are kept
BATCH = 32  # files a job looks at
JOBS = "jobs"
ROWS_FILE = "rows.jsonl"


@dataclass(frozen=True, slots=True)
class Row:
    """What is known of one file.

    Attributes:
      path, artist, bytes, modified, changed, split: of its gallery.Candidate.
      digest: hex SHA-256 of the file's bytes; "" for a reject that could not be read.
      hash: hex perceptual hash; "" for a reject.
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
    width: int = 0
    height: int = 0
    reason: str = ""
    detail: str = ""
    photograph: Photograph = Photograph()  # noqa: RUF009  # frozen


@dataclass(frozen=True, slots=True)
class Todo:
    """What is left to look at: paths of jobs, how many files need none, and sentences for the user."""

    jobs: tuple[str, ...]
    known: int
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Job:
    """Files to look at, and the pixels above which one is rejected before it is decoded."""

    candidates: tuple[Candidate, ...]
    max_pixels: int


def look_at(candidate: Candidate, data: bytes, max_pixels: int) -> Row:
    """The row of a file with these bytes. Whatever is wrong with them is the row's reason."""
    row = Row(**plain.dump(candidate), digest=hashlib.sha256(data).hexdigest())
    try:
        with guard.watching(candidate.path):
            painting = decode(data, max_pixels=max_pixels, at_least=likeness.RESOLUTION, gray=True)
            hashed = likeness.perceptual_hash(painting.image)
            facts = photograph.look(data, painting.pixels)
    except ImageError as error:
        return replace(row, reason=error.reason, detail=error.detail)
    except MemoryError:
        return replace(row, reason=OUT_OF_MEMORY, detail="looking at it asked for more memory than there is")
    except Exception as error:  # of one picture, in whatever library: it must not be the end of all others
        return replace(row, reason=DAMAGED, detail=f"{type(error).__name__}: {error}")
    return replace(row, hash=hashed, width=painting.width, height=painting.height, photograph=facts)


def survey_batch(job: str) -> dict[str, Any]:
    """The step of one job: looks at a batch of files and writes their rows beside the job."""
    work = plain.from_json(Job, files.read(job))
    most = guard.most_bytes(work.max_pixels)
    with files.ReadAhead(candidate.path for candidate in work.candidates if candidate.bytes <= most) as ahead:
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


def prepare(candidates: Iterable[Candidate], folder: str, max_pixels: int) -> Todo:
    """Writes the jobs that look at all candidates, those of an earlier survey excepted.

    Args:
      candidates: files that may be paintings.
      folder: where rows are kept, for this gallery and this pixel limit.
      max_pixels: larger pictures are rejected before they are decoded.
    """
    # A reject is looked at again: the permission or the network that failed may have been fixed.
    notes: list[str] = []
    known = {_state(row) for row in _read_rows(folder, notes) if not row.reason}
    todo = []
    total = 0
    for total, candidate in enumerate(candidates, 1):  # noqa: B007
        if _state(candidate) not in known:
            todo.append(candidate)
    batches = [todo[start : start + BATCH] for start in range(0, len(todo), BATCH)]
    jobs = tuple(_write_job(folder, batch, max_pixels) for batch in batches)
    return Todo(jobs, total - len(todo), tuple(notes))


def collect(candidates: Iterable[Candidate], folder: str) -> tuple[list[Row], list[Reject]]:
    """The rows of paintings, and the rejects, when all jobs are done. Keeps them for the next survey.

    Raises:
      DatasetError: files were not looked at, whatever the runner said.
    """
    known = {_state(row): row for row in _read_rows(folder, [])}
    rows, unseen = [], []
    for candidate in candidates:
        row = known.get(_state(candidate))
        if row is None:
            unseen.append(candidate.path)
        else:
            rows.append(replace(row, artist=candidate.artist, split=candidate.split))
    if unseen:
        raise DatasetError(
            f"{len(unseen):,} files were not looked at, {unseen[0]} first, though the runner ended without a word. Run "
            "the same command again: only these are looked at."
        )
    rows.sort(key=lambda row: row.path)
    if files.sizes(files.join(folder, JOBS)):
        _write_rows(folder, rows)
        files.remove_tree(files.join(folder, JOBS))
    return (
        [row for row in rows if not row.reason],
        [Reject(row.path, row.artist, row.reason, row.detail) for row in rows if row.reason],
    )


def forget(paths: Collection[str], folder: str) -> None:
    """Lets files be looked at again by the next survey, whatever their size and times say."""
    _write_rows(folder, [row for row in _read_rows(folder, []) if row.path not in paths])


def _state(file: Candidate | Row) -> tuple[str, int, float, float]:
    """What must be the same for a row to be of that file still.

    The inode's time is among it: copying, syncing and editing can keep size and time of a file whose content is new.
    """
    return file.path, file.bytes, file.modified, file.changed


def cache_folder(output_dir: str, data_dir: str, max_pixels: int) -> str:
    """Where the rows of a gallery are kept."""
    key = hashlib.sha256(json.dumps([FORMAT, data_dir, max_pixels]).encode()).hexdigest()[:12]
    return files.join(output_dir, ".survey", key)


def _result_path(job: str) -> str:
    return job.removesuffix(".job.json") + f".{ROWS_FILE}"


def _write_job(folder: str, batch: Sequence[Candidate], max_pixels: int) -> str:
    content = plain.to_json(Job(tuple(batch), max_pixels))
    path = files.join(folder, JOBS, f"{hashlib.sha256(content).hexdigest()[:16]}.job.json")
    files.write(path, [content])
    return path


def _read_rows(folder: str, notes: list[str]) -> Iterator[Row]:
    """The rows of a finished survey, and of jobs that a killed one had finished.

    Of a damaged file, those before the damage, and a sentence added to `notes`: the others are made again.
    """
    jobs = files.join(folder, JOBS)
    names = [name for name in files.sizes(jobs) if name.endswith(f".{ROWS_FILE}")]
    kept = [files.join(jobs, name) for name in names if not name.startswith(files.TEMPORARY)]
    if ROWS_FILE in files.sizes(folder):
        kept.insert(0, files.join(folder, ROWS_FILE))
    for path in kept:
        try:
            yield from plain.read_lines(path, Row)
        except ValueError as error:
            notes.append(f"{path} is damaged ({error}): the files that it lacks are looked at again")


def _write_rows(folder: str, rows: Sequence[Row]) -> None:
    plain.write_lines(files.join(folder, ROWS_FILE), rows)
