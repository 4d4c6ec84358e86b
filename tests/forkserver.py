"""python -m tests.forkserver PACKAGE: loads what every command of a package loads first, and forks a process for each.

A line of standard input is a request (`tests.forked.Command` writes it): {"argv", "environment", "folder"}. Into the
folder go the command's output (out, err), its process (pid), and, when it has ended, its exit status (status). Nothing
of this project is loaded here: it is for the command to load. multiprocessing's own fork server will not do, because
this project uses it, and a process has only one: where a command starts that, it is a fork of the command.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import json
import multiprocessing.forkserver
import multiprocessing.resource_tracker
import multiprocessing.util
import os
import runpy
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


PRELOADED = {
    "pipeline": (
        "absl.flags",
        "apache_beam.runners.portability.fn_api_runner.fn_runner",
        "jinja2",
        "PIL.ImageCms",
        "psutil",
        "pyarrow.parquet",
        "simplejpeg",
        "tensorflow_datasets",  # which does not load TensorFlow
    ),
    "trainer": (
        "keras",
        "matplotlib.pyplot",
        "pandas",
        "pyarrow.parquet",
        "scipy.stats",
        "sklearn.ensemble",
        "sklearn.linear_model",
        "sklearn.metrics",
        "tensorflow",
    ),
}


def preload(package: str) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)  # TensorFlow's notes, which trainer.quiet keeps back where a user runs a command; and Beam's
    for module in PRELOADED[package]:
        importlib.import_module(module)


def watch(request: dict[str, Any]) -> None:
    """Starts the command, and notes its process and its end."""
    folder = Path(request["folder"])
    process = os.fork()
    if process == 0:
        become(request, folder)
    note(folder / "pid", process)
    _, status = os.waitpid(process, 0)
    note(folder / "status", os.waitstatus_to_exitcode(status))


def note(path: Path, number: int) -> None:
    path.with_suffix(".new").write_text(str(number))
    path.with_suffix(".new").rename(path)


def become(request: dict[str, Any], folder: Path) -> None:
    for number, name in ((0, os.devnull), (1, folder / "out"), (2, folder / "err")):
        stream = os.open(name, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(stream, number)
        os.close(stream)
    os.setsid()  # so that a test can end it with all that it starts, or send what a terminal sends
    os.environ.clear()
    os.environ.update(request["environment"])
    tempfile.tempdir = None  # to be asked for anew
    os.chdir(ROOT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    multiprocessing.util.spawnv_passfds = fork_python
    module, *flags = request["argv"]
    sys.argv = ["-m", *flags]  # as while `python -m` imports the package
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        status = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def fork_python(path: bytes, args: Sequence[str], passed: Sequence[int]) -> int:
    """Does `python -c CODE` with the files `passed`, for multiprocessing, in a fork of this process."""
    process = os.fork()
    if process:
        return process
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    for descriptor in map(int, os.listdir("/proc/self/fd")):
        if descriptor > 2 and descriptor not in passed:
            with contextlib.suppress(OSError):  # that of the listing
                os.close(descriptor)
    multiprocessing.forkserver._forkserver._lock = threading.Lock()  # type: ignore[attr-defined]  # held by who forks
    multiprocessing.resource_tracker._resource_tracker._lock = threading.RLock()  # type: ignore[attr-defined]
    try:
        exec(args[-1], {})
    finally:
        os._exit(0)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    preload(sys.argv[1])
    for line in sys.stdin:
        if os.fork() == 0:
            watch(json.loads(line))
            os._exit(0)
        with contextlib.suppress(ChildProcessError):  # there is none left
            while os.waitpid(-1, os.WNOHANG)[0]:  # one that has ended
                pass
