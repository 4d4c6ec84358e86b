"""Commands of this project in processes of their own, which may be killed, without loading TensorFlow each time.

A process that has loaded it, and nothing of this project, is forked: that saves each command five seconds of processor
time. What is special in a fresh start of Python is tested with one (tests/trainer/test_main.py, test_quiet.py).
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.preloaded"])


class Command:
    """`python -m MODULE FLAGS` in the root of this project; as a subprocess.Popen with pipes of text."""

    def __init__(self, module: str, *flags: object, **variables: str) -> None:
        self.args = ["-m", module, *map(str, flags)]
        self._said = tempfile.TemporaryDirectory(prefix="said-")
        self._out, self._err = (Path(self._said.name) / name for name in ("out", "err"))
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", **variables}
        self._process = _CONTEXT.Process(target=_become, args=(self.args, environment, self._out, self._err))
        self._process.start()
        self.pid = self._process.pid

    def poll(self) -> int | None:
        """Its exit status; None while it runs."""
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """Sends a signal, unless it has ended."""
        if self.pid and self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Ends it at once."""
        self._process.kill()

    def communicate(self, timeout: float = 240) -> tuple[str, str]:
        """Waits for its end, and returns what it wrote."""
        self._process.join(timeout)
        said = (self._out.read_text(), self._err.read_text())
        if self.poll() is None:
            self.kill()
            raise subprocess.TimeoutExpired(self.args, timeout, *said)
        return said


def run(module: str, *flags: object, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end."""
    command = Command(module, *flags, **variables)
    out, err = command.communicate()
    status = command.poll()
    assert status is not None
    return subprocess.CompletedProcess(command.args, status, out, err)


def _become(argv: Sequence[str], environment: Mapping[str, str], out: Path, err: Path) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(ROOT)
    for number, path in ((1, out), (2, err)):
        stream = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(stream, number)
        os.close(stream)
    sys.argv = [argv[0], *argv[2:]]  # "-m" first, as while `python -m` imports the package
    runpy.run_module(argv[1], run_name="__main__", alter_sys=True)
