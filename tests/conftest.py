"""Settings of all tests."""

import os
import signal
import sys
from pathlib import Path

import hypothesis
import pytest

import trainer  # noqa: F401  # which keeps TensorFlow quiet, whichever test imports it first
from tests import galleries

# Nothing has loaded these libraries yet. Threads that wait for each other within small networks and matrices only burn
# the time of the tests that run beside them.
for library in ("TF_NUM_INTRAOP", "TF_NUM_INTEROP", "OMP_NUM", "OPENBLAS_NUM"):
    os.environ.setdefault(f"{library}_THREADS", "1")

# Hundreds of processes import the same modules: that they are compiled once is worth their files.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Timings decide no test, and a run that failed once fails again.
hypothesis.settings.register_profile("steady", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("steady")

# A shell that runs tests in the background has them, and all they start, ignore Ctrl-C, and nohup hangups: some tests
# send both.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session")
def painted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gallery that all processes of a run share; for `galleries.write`."""
    folder = tmp_path_factory.getbasetemp()
    return galleries.paint((folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "painted")
