from __future__ import annotations

import threading
from pathlib import Path

import pytest

from pipeline.workers import results
from pipeline.workers.results import Results, Watch


def test_what_was_there_before_and_what_is_half_written_does_not_count(tmp_path: Path) -> None:
    where = Results((str(tmp_path / "a"), str(tmp_path / "b")), ".rows", before=1, files=4, paintings=10)
    for name in ("a/old.rows", "a/1.rows", "b/2.rows", "b/.tmp-3.rows", "b/job"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert where.done() == 5
    for name in "3456":
        (tmp_path / "a" / f"{name}.rows").touch()
    assert where.done() == 10


def test_results_are_told_of_as_they_appear_and_once_more_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "LOCAL_SECONDS", 0.01)
    told: list[int] = []
    first = threading.Event()

    def on_done(result: dict[str, int]) -> None:
        told.append(result["paintings"])
        first.set()

    with Watch(Results((str(tmp_path),), ".rows", 0, 2, 7), on_done):
        (tmp_path / "1.rows").touch()
        assert first.wait(300)
        monkeypatch.setattr(Results, "done", lambda self: 7)
    assert sum(told) == 7
    assert told[0] == 3


def test_a_place_that_cannot_be_looked_at_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Results) -> int:
        raise OSError("gone")

    monkeypatch.setattr(Results, "done", fail)
    with Watch(Results((str(tmp_path),), ".rows", 0, 2, 7), lambda result: None):
        pass
