"""The survey: a row for each file, and no file looked at twice."""

import multiprocessing
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from PIL import Image

from pipeline import survey
from pipeline.gallery.find import Candidate
from pipeline.pictures.decode import NOT_AN_IMAGE
from pipeline.storage import files


@pytest.fixture
def folder():
    """A folder that other users may write to, which pytest's own are not."""
    path = Path(tempfile.mkdtemp())
    path.chmod(0o777)
    yield path
    shutil.rmtree(path)


def candidate(path: Path, artist: str = "A") -> Candidate:
    return Candidate(str(path), artist, path.stat().st_size, path.stat().st_mtime)


def look(candidates, folder):
    """(rows of paintings, rows of rejects, how many needed no look) of a survey."""
    candidates = sorted(candidates, key=lambda candidate: candidate.path)
    todo = survey.prepare(candidates, str(folder / "cache"), 10**6)
    for job in todo.jobs:
        survey.survey_batch(job)
    rows = list(survey.collect(candidates, str(folder / "cache")))
    return [row for row in rows if not row.reason], [row for row in rows if row.reason], todo.known


def test_rows_say_what_files_hold_and_rejects_why_not(folder):
    Image.linear_gradient("L").resize((300, 200)).save(folder / "a.png")
    (folder / "b.jpg").write_text("not a painting")
    rows, rejects, _ = look([candidate(folder / "a.png"), candidate(folder / "b.jpg")], folder)
    (row,) = rows
    assert (row.width, row.height, row.artist) == (300, 200, "A")
    assert len(row.digest) == len(row.hash) == 64
    assert [(reject.path, reject.reason) for reject in rejects] == [(str(folder / "b.jpg"), NOT_AN_IMAGE)]


def test_only_new_and_changed_files_are_looked_at_again(folder):
    paths = [folder / f"{number}.png" for number in range(3)]
    for path in paths:
        Image.new("RGB", (40, 40), "red").save(path)
    first, _, _ = look(map(candidate, paths), folder)
    Image.new("RGB", (50, 40), "blue").save(paths[1])
    Image.new("RGB", (60, 40), "blue").save(folder / "3.png")
    second, _, known = look([candidate(path, "B") for path in (*paths, folder / "3.png")], folder)
    assert known == 2
    assert [row.width for row in second] == [40, 50, 40, 60]
    assert {row.artist for row in second} == {"B"}
    assert second[0].digest == first[0].digest


def test_jobs_that_a_killed_survey_finished_are_not_done_again(folder):
    paths = [folder / f"{number}.png" for number in range(survey.LEAST + 1)]
    for path in paths:
        Image.new("RGB", (40, 40), "red").save(path)
    candidates = [candidate(path) for path in paths]
    candidates.sort(key=lambda candidate: candidate.path)
    first, _ = survey.prepare(candidates, str(folder / "cache"), 10**6).jobs
    survey.survey_batch(first)
    rows, _, known = look(candidates, folder)
    assert known == survey.LEAST
    assert len(rows) == len(paths)
    assert files.sizes(str(folder / "cache" / "jobs")) == {}


@pytest.mark.parametrize("damage", [b"", b"[1, 2]\n", b"\xff\n", b'{"path": "half'])
def test_rows_that_are_damaged_are_made_again_and_a_note_says_so(folder, damage):
    paths = [folder / f"{number}.png" for number in range(3)]
    for path in paths:
        Image.new("RGB", (40, 40), "red").save(path)
    first, _, _ = look(map(candidate, paths), folder)
    (kept,) = (folder / "cache").glob("*.rows.jsonl")
    whole = kept.read_bytes().splitlines(keepends=True)
    kept.write_bytes(whole[0] + damage)
    todo = survey.prepare([candidate(path) for path in paths], str(folder / "cache"), 10**6)
    assert [str(kept) in note for note in todo.notes] == ([True] if damage else [])
    again, _, known = look(map(candidate, paths), folder)
    assert (again, known) == (first, 1)
    (kept,) = (folder / "cache").glob("*.rows.jsonl")
    assert kept.read_bytes() == b"".join(whole)


def _as_nobody(job: str) -> None:
    if os.geteuid() == 0:  # root may read everything
        os.setgid(65534)
        os.setuid(65534)
    survey.survey_batch(job)


def test_a_file_that_may_not_be_read_is_a_reject(folder):
    Image.new("RGB", (40, 40), "red").save(folder / "closed.png")
    (folder / "closed.png").chmod(0)
    (job,) = survey.prepare([candidate(folder / "closed.png")], str(folder / "cache"), 10**6).jobs
    for path in (folder / "cache", folder / "cache" / "jobs"):
        path.chmod(0o777)
    process = multiprocessing.get_context("fork").Process(target=_as_nobody, args=[job])
    process.start()
    process.join()
    assert process.exitcode == 0
    (row,) = survey._read_rows(str(folder / "cache"), [])
    assert (row.reason, row.detail) == ("unreadable", "Permission denied")


def test_rows_lie_in_parts_that_are_replaced_as_a_whole(folder, monkeypatch):
    monkeypatch.setattr(survey, "PART", 2)
    paths = [folder / f"{number}.png" for number in range(5)]
    for path in paths:
        Image.new("RGB", (40, 40), "red").save(path)
    rows, _, _ = look(map(candidate, paths), folder)
    kept = folder / "cache"
    assert sorted(path.name for path in kept.glob("*.jsonl")) == [f"1-0000{part}.rows.jsonl" for part in range(3)]
    Image.new("RGB", (50, 40), "blue").save(paths[0])
    for path in kept.glob("*.jsonl"):  # a kill after new parts were written and before old ones were removed
        shutil.copy(path, kept / path.name.replace("1-", "0-"))
    again, _, known = look(map(candidate, paths), folder)
    assert known == 4
    assert again[1:] == rows[1:]
    assert sorted(path.name for path in kept.glob("*.jsonl")) == [f"2-0000{part}.rows.jsonl" for part in range(3)]


def test_forgotten_files_are_looked_at_again(folder):
    paths = [folder / f"{number}.png" for number in range(3)]
    for path in paths:
        Image.new("RGB", (40, 40), "red").save(path)
    look(map(candidate, paths), folder)
    survey.forget({str(paths[1])}, str(folder / "cache"))
    _, _, known = look(map(candidate, paths), folder)
    assert known == 2
