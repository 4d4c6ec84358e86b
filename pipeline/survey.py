"""Every file looked at once: a small row for a painting, or a reject with its reason.

Rows are kept in `<output>/.survey/`, so that the next scheme, or a build that was killed, does not look again at a file
whose size and time of change are the same.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline import files, images, jobs
from pipeline.gallery import Candidate, Reject

FORMAT = 1
BATCH = 32  # files a job looks at


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
        painting = images.decode(data, max_pixels=max_pixels, at_least=images.HASH_RESOLUTION)
    except images.ImageError as error:
        return dataclasses.replace(row, digest=digest, reason=error.reason, detail=error.detail)
    return dataclasses.replace(
        row,
        digest=digest,
        hash=images.perceptual_hash(painting.image),
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
            row = Row(**dataclasses.asdict(candidate), reason="unreadable", detail=error.strerror or str(error))
        rows.append(dataclasses.astuple(row))
    files.write(_result_path(job), [json.dumps(rows).encode()])
    return {"paintings": len(rows)}


def survey(
    candidates: Iterable[Candidate],
    folder: str,
    max_pixels: int,
    workers: int,
    beam_flags: Sequence[str],
    on_done: Callable[[dict[str, Any]], None],
) -> tuple[list[Row], list[Reject]]:
    """Looks at all candidates, those of an earlier survey excepted.

    Args:
      candidates: files that may be paintings.
      folder: where rows are kept, for this gallery and this pixel limit.
      max_pixels: larger pictures are rejected before they are decoded.
      workers, beam_flags, on_done: as for jobs.run; on_done gets {"paintings": how many more are done}.

    Returns:
      (rows of paintings, rejects), both by path.
    """
    known = {row.path: row for row in _read_rows(folder)}
    rows: dict[str, Row] = {}
    todo = []
    for candidate in candidates:
        row = known.get(candidate.path)
        # A reject is looked at again: the permission or the network that failed may have been mended.
        if row and not row.reason and (row.bytes, row.modified) == (candidate.bytes, candidate.modified):
            rows[row.path] = (
                row if row.artist == candidate.artist else dataclasses.replace(row, artist=candidate.artist)
            )
        else:
            todo.append(candidate)
    if rows:
        on_done({"paintings": len(rows)})
    if todo:
        job_paths = [
            _write_job(folder, todo[start : start + BATCH], max_pixels) for start in range(0, len(todo), BATCH)
        ]
        jobs.run(survey_batch, job_paths, workers, beam_flags, on_done)
        for job in job_paths:
            rows.update((fields[0], Row(*fields)) for fields in json.loads(files.read(_result_path(job))))
        _write_rows(folder, [rows[path] for path in sorted(rows)])
        files.remove_tree(files.join(folder, "jobs"))
    ordered = [rows[path] for path in sorted(rows)]
    return (
        [row for row in ordered if not row.reason],
        [Reject(row.path, row.artist, row.reason, row.detail) for row in ordered if row.reason],
    )


def cache_folder(output_dir: str, data_dir: str, max_pixels: int) -> str:
    """Where the rows of a gallery are kept."""
    key = hashlib.sha256(json.dumps([FORMAT, data_dir, max_pixels]).encode()).hexdigest()[:12]
    return files.join(output_dir, ".survey", key)


def _result_path(job: str) -> str:
    return job.removesuffix(".job.json") + ".rows.json"


def _write_job(folder: str, batch: Sequence[Candidate], max_pixels: int) -> str:
    content = json.dumps({"candidates": [dataclasses.astuple(some) for some in batch], "max_pixels": max_pixels})
    name = hashlib.sha256(content.encode()).hexdigest()[:16]
    path = files.join(folder, "jobs", f"{name}.job.json")
    files.write(path, [content.encode()])
    return path


def _read_rows(folder: str) -> list[Row]:
    """The rows of a finished survey, and of jobs that a killed one had finished."""
    rows = []
    if "rows.jsonl" in files.sizes(folder):
        rows += [Row(*json.loads(line)) for line in files.read(files.join(folder, "rows.jsonl")).splitlines()]
    for name in files.sizes(files.join(folder, "jobs")):
        if name.endswith(".rows.json") and not name.startswith(files.TEMPORARY):
            rows += [Row(*fields) for fields in json.loads(files.read(files.join(folder, "jobs", name)))]
    return rows


def _write_rows(folder: str, rows: Sequence[Row]) -> None:
    lines = (json.dumps(dataclasses.astuple(row), ensure_ascii=False).encode() + b"\n" for row in rows)
    files.write(files.join(folder, "rows.jsonl"), lines)
