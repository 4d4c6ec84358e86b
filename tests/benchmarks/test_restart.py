"""A kill reaches every process, and what it leaves behind is told apart."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil

from benchmarks import restart

_PARENT = """
import pathlib, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"])
pathlib.Path(sys.argv[1]).write_text(str(child.pid))
child.wait()
"""


def test_a_kill_takes_all_descendants(tmp_path: Path) -> None:
    note = tmp_path / "child"
    restart.kill_after([sys.executable, "-c", _PARENT, str(note)], 5)
    assert not psutil.pid_exists(child := int(note.read_text())) or psutil.Process(child).status() == "zombie"


def test_a_command_that_ends_in_time_is_not_killed(tmp_path: Path) -> None:
    restart.kill_after([sys.executable, "-c", f"open({str(tmp_path / 'done')!r}, 'w').close()"], 60)
    assert (tmp_path / "done").exists()


def test_kept_cut_off_and_left_over_files_are_counted() -> None:
    whole = {"kept": (10, 1), "redone": (10, 1), "short": (10, 1), "new": (10, 1)}
    killed = {"kept": (10, 5), "redone": (10, 5), "short": (3, 5), "temporary": (3, 5)}
    end = {"kept": (10, 5), "redone": (10, 9), "short": (10, 9), "new": (10, 9), "temporary": (3, 5)}
    said = restart.describe(killed, whole, end, None)
    assert said == "1 of 4 files are kept; 1 cut off under a final name; 1 left over"
    assert restart.describe(killed, whole, end, "not empty").endswith("refuses to go on: not empty")
