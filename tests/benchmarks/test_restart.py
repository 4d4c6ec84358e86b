"""A kill reaches every process of a build."""

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
    child = int(note.read_text())
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE


def test_a_command_that_ends_in_time_is_not_killed(tmp_path: Path) -> None:
    restart.kill_after([sys.executable, "-c", f"open({str(tmp_path / 'done')!r}, 'w').close()"], 60)
    assert (tmp_path / "done").exists()
