from __future__ import annotations

import logging
import sys
from pathlib import Path

import pytest

from pipeline.workers.log import in_a_sentence, kept_back, our_fault

SENT = """\
Traceback (most recent call last):
  File "beam.py", line 1, in perform
pipeline.errors.StorageError: No room left to write x. Free some. [while running 'Map(perform)']
"""


def test_our_own_fault_is_found_in_what_a_runner_sends() -> None:
    assert our_fault(SENT) == "No room left to write x. Free some."
    assert our_fault("ValueError: of somebody else") == ""


def test_of_somebody_elses_fault_the_last_line_is_told_and_no_traceback() -> None:
    assert in_a_sentence(RuntimeError("Traceback:\n  File x\nKeyError: 'y'\n")) == "RuntimeError: KeyError: 'y'"
    assert in_a_sentence(RuntimeError()) == "RuntimeError: it gives no reason"
    assert len(in_a_sentence(RuntimeError("word " * 1000))) <= 300


def test_what_is_logged_is_kept_from_the_terminal_and_can_be_looked_at(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    loud = logging.getLogger("loud")
    loud.addHandler(logging.StreamHandler())
    loud.propagate = False
    with kept_back("loud") as log:
        logging.getLogger("runner").error(SENT)
        loud.warning("of a logger with a handler of its own")
        print("printed", file=sys.stderr)
    assert capsys.readouterr().err == ""
    assert log.our_fault() == "No room left to write x. Free some."
    text = Path(log.save()).read_text()
    assert "printed" in text
    assert "of a logger with a handler of its own" in text
    loud.warning("after")
    assert "after" in capsys.readouterr().err


def test_nothing_is_saved_where_nothing_was_logged() -> None:
    with kept_back() as log:
        pass
    assert log.save() == ""
