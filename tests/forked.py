"""Commands of this project in processes of their own, without loading TensorFlow or Beam each time.

A process that has loaded them, and nothing of this project, is forked (`tests.forkserver`): that saves a command of the
trainer five seconds of processor time, and a build, with its own processes, three. What is special in a fresh start of
Python is tested with one (tests/trainer/test_main.py, test_quiet.py; for builds tests/end_to_end/test_faults.py).
"""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]


class Command:
    """`python -m MODULE FLAGS` in the root of this project; as a subprocess.Popen with pipes of text."""

    def __init__(self, module: str, *flags: object, **variables: str) -> None:
        self.args = [module, *map(str, flags)]
        self._said = tempfile.TemporaryDirectory(prefix="said-")
        for name in ("out", "err"):
            Path(self._said.name, name).touch()
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", **variables}
        request = {"argv": self.args, "environment": environment, "folder": self._said.name}
        server = _server("pipeline" if module.startswith("pipeline.") else "trainer")
        stream = server.stdin
        assert stream is not None
        stream.write(json.dumps(request) + "\n")
        stream.flush()
        while (pid := self._noted("pid")) is None:
            assert server.poll() is None, "the server of tests.forkserver has ended"
            time.sleep(0.005)
        self.pid = pid

    def _noted(self, name: str) -> int | None:
        path = Path(self._said.name) / name
        return int(path.read_text()) if path.exists() else None

    def poll(self) -> int | None:
        """Its exit status; None while it runs."""
        return self._noted("status")

    def send_signal(self, number: int) -> None:
        """Sends a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def wait(self, timeout: float = 240) -> int:
        """Its exit status, when it has ended."""
        self.communicate(timeout)
        status = self.poll()
        assert status is not None
        return status

    def kill(self) -> None:
        """Ends it at once."""
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float = 240) -> tuple[str, str]:
        """Waits for its end, and returns what it wrote."""
        end = time.monotonic() + timeout
        while self.poll() is None and time.monotonic() < end:
            time.sleep(0.01)
        out, err = ((Path(self._said.name) / name).read_text() for name in ("out", "err"))
        if self.poll() is None:
            self.kill()
            raise subprocess.TimeoutExpired(self.args, timeout, out, err)
        return out, err


def run(module: str, *flags: object, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end."""
    command = Command(module, *flags, **variables)
    out, err = command.communicate()
    status = command.poll()
    assert status is not None
    return subprocess.CompletedProcess(command.args, status, out, err)


@functools.cache
def _server(package: str) -> subprocess.Popen[str]:
    """It ends when this process closes its standard input, at the latest by ending."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.forkserver", package], cwd=ROOT, stdin=subprocess.PIPE, text=True
    )
