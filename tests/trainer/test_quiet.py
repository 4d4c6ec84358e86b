"""TensorFlow's notes about itself are kept back, and nothing else is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

FAKE = """
import os
os.write(2, b"I0000 00:00:1795688993.285296   23282 port.cc:153] oneDNN custom operations are on.\\n")
os.write(2, b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\\n")
os.write(2, b"a fault of its own\\n")
__version__ = "fake"
"""


def stderr_of_import(folder: Path, **variables: str) -> str:
    """What is said while a TensorFlow of that folder is imported."""
    (folder / "tensorflow.py").write_text(FAKE)
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"} | variables
    environment["PYTHONPATH"] = os.pathsep.join([str(folder), str(Path(__file__).parents[2])])
    script = "import trainer, tensorflow; assert tensorflow.__version__ == 'fake'"
    return subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    ).stderr


def test_notes_are_kept_back_and_faults_are_not(tmp_path: Path) -> None:
    assert stderr_of_import(tmp_path) == "a fault of its own\n"


def test_who_asks_for_the_notes_has_them(tmp_path: Path) -> None:
    assert "oneDNN" in stderr_of_import(tmp_path, TF_CPP_MIN_LOG_LEVEL="0")


def test_a_training_says_nothing_that_is_not_ours(tmp_path: Path) -> None:
    script = "import trainer, keras, tensorflow as tf; print(float(tf.reduce_sum(tf.ones([2]))))"
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("2.0\n", "")
