"""python -m tests.forkserver: loads what every command of the trainer loads first, and forks a process for each.

A line of standard input is a request (`tests.forked.Command` writes it): {"argv", "environment", "folder"}. Into the
folder go the command's output (out, err), its process (pid), and, when it has ended, its exit status (status). Nothing
of this project is loaded here: it is for the command to load. multiprocessing's own fork server will not do, because
this project uses it, and a process has only one.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import runpy
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


def preload() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)  # TensorFlow's notes, which trainer.quiet keeps back where a user runs a command
    import keras  # noqa: F401
    import matplotlib.pyplot  # noqa: F401
    import pandas  # noqa: F401
    import pyarrow.parquet  # noqa: F401
    import scipy.stats  # noqa: F401
    import sklearn.ensemble
    import sklearn.linear_model
    import sklearn.metrics  # noqa: F401
    import tensorflow  # noqa: F401


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
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(ROOT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
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


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    preload()
    for line in sys.stdin:
        if os.fork() == 0:
            watch(json.loads(line))
            os._exit(0)
        with contextlib.suppress(ChildProcessError):  # there is none left
            while os.waitpid(-1, os.WNOHANG)[0]:  # one that has ended
                pass
