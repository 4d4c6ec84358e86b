"""Every file looked at once: a small row for a painting, or a reject with its reason.

Rows are kept in `<output>/.survey/`, so that the next scheme, or a build that was killed, does not look again at a file
whose size and time of change are the same.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.dataset.rejects import UNREADABLE, Reject
from pipeline.gallery.find import Candidate
from pipeline.pictures import likeness
from pipeline.pictures.decode import ImageError, decode
from pipeline.storage import files

FORMAT = 2
BATCH = 32  # files a job looks at
JOBS = "jobs"


@dataclass(frozen=True, slots=True)
class Row:
    """What is known of one file.

    Attributes:
      path, artist, bytes, modified: of its gallery.Candidate.
      digest: hex SHA-256 of the file's bytes; "" for a reject that could not be read.
      hash: hex perceptual hash; "" for a reject.
      width, height: of the upright picture, in pixels; 0 for a reject.
      reason, detail: why it was rejected; "" for a painting.
    """

    path: str
    artist: str
    bytes: int
    modified: float
    digest: str = ""
    hash: str = ""
    width: int = 0
    height: int = 0
    reason: str = ""
    detail: str = ""


def look_at(candidate: Candidate, data: bytes, max_pixels: int) -> Row:
    """The row of a file with these bytes."""
    row = Row(candidate.path, candidate.artist, candidate.bytes, candidate.modified)
    digest = hashlib.sha256(data).hexdigest()
    try:
        painting = decode(data, max_pixels=max_pixels, at_least=likeness.RESOLUTION, gray=True)
    except ImageError as error:
        return dataclasses.replace(row, digest=digest, reason=error.reason, detail=error.detail)
    return dataclasses.replace(
        row,
        digest=digest,
        hash=likeness.perceptual_hash(painting.image),
        width=painting.width,
        height=painting.height,
    )


def survey_batch(job: str) -> dict[str, Any]:
    """The step of one job: looks at a batch of files and writes their rows beside the job."""
    work = json.loads(files.read(job))
    rows = []
    for fields in work["candidates"]:
        candidate = Candidate(*fields)
        try:
            row = look_at(candidate, files.read(candidate.path), work["max_pixels"])
        except OSError as error:
            row = Row(**dataclasses.asdict(candidate), reason=UNREADABLE, detail=error.strerror or str(error))
        rows.append(dataclasses.astuple(row))
    files.write(_result_path(job), [json.dumps(rows).encode()])
    return {"paintings": len(rows)}


def prepare(candidates: Iterable[Candidate], folder: str, max_pixels: int) -> tuple[list[str], int]:
    """Writes the jobs that look at all candidates, those of an earlier survey excepted.

    Args:
      candidates: files that may be paintings.
      folder: where rows are kept, for this gallery and this pixel limit.
      max_pixels: larger pictures are rejected before they are decoded.

    Returns:
      (paths of the jobs, how many candidates need no job)
    """
    # A reject is looked at again: the permission or the network that failed may have been mended.
    known = {_state(row) for row in _read_rows(folder) if not row.reason}
    todo = []
    total = 0
    for total, candidate in enumerate(candidates, 1):  # noqa: B007
        if _state(candidate) not in known:
            todo.append(candidate)
    batches = [todo[start : start + BATCH] for start in range(0, len(todo), BATCH)]
    return [_write_job(folder, batch, max_pixels) for batch in batches], total - len(todo)


def collect(candidates: Iterable[Candidate], folder: str) -> tuple[list[Row], list[Reject]]:
    """The rows of paintings, and the rejects, when all jobs are done. Keeps them for the next survey."""
    known = {_state(row): row for row in _read_rows(folder)}
    rows = []
    for candidate in candidates:
        row = known[_state(candidate)]
        rows.append(row if row.artist == candidate.artist else dataclasses.replace(row, artist=candidate.artist))
    rows.sort(key=lambda row: row.path)
    if files.sizes(files.join(folder, JOBS)):
        _write_rows(folder, rows)
        files.remove_tree(files.join(folder, JOBS))
    return (
        [row for row in rows if not row.reason],
        [Reject(row.path, row.artist, row.reason, row.detail) for row in rows if row.reason],
    )


def _state(file: Candidate | Row) -> tuple[str, int, float]:
    """What must be the same for a row to be of that file still."""
    return file.path, file.bytes, file.modified


def cache_folder(output_dir: str, data_dir: str, max_pixels: int) -> str:
    """Where the rows of a gallery are kept."""
    key = hashlib.sha256(json.dumps([FORMAT, data_dir, max_pixels]).encode()).hexdigest()[:12]
    return files.join(output_dir, ".survey", key)


def _result_path(job: str) -> str:
    return job.removesuffix(".job.json") + ".rows.json"


def _write_job(folder: str, batch: Sequence[Candidate], max_pixels: int) -> str:
    content = json.dumps({"candidates": [dataclasses.astuple(some) for some in batch], "max_pixels": max_pixels})
    name = hashlib.sha256(content.encode()).hexdigest()[:16]
    path = files.join(folder, JOBS, f"{name}.job.json")
    files.write(path, [content.encode()])
    return path


def _read_rows(folder: str) -> list[Row]:
    """The rows of a finished survey, and of jobs that a killed one had finished."""
    rows = []
    if "rows.jsonl" in files.sizes(folder):
        rows += [Row(*json.loads(line)) for line in files.read(files.join(folder, "rows.jsonl")).splitlines()]
    for name in files.sizes(files.join(folder, JOBS)):
        if name.endswith(".rows.json") and not name.startswith(files.TEMPORARY):
            rows += [Row(*fields) for fields in json.loads(files.read(files.join(folder, JOBS, name)))]
    return rows


def _write_rows(folder: str, rows: Sequence[Row]) -> None:
    lines = (json.dumps(dataclasses.astuple(row), ensure_ascii=False).encode() + b"\n" for row in rows)
    files.write(files.join(folder, "rows.jsonl"), lines)
