"""Loads what every command of the trainer loads first, once, for `tests.forked`. Nothing of this project's."""

import os

_before, _nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
os.dup2(_nowhere, 2)  # TensorFlow's notes, which trainer.quiet keeps back where a user runs a command
import keras  # noqa: E402, F401
import matplotlib.pyplot  # noqa: E402, F401
import pandas  # noqa: E402, F401
import pyarrow.parquet  # noqa: E402, F401
import scipy.stats  # noqa: E402, F401
import sklearn.ensemble  # noqa: E402
import sklearn.linear_model  # noqa: E402
import sklearn.metrics  # noqa: E402, F401
import tensorflow  # noqa: E402, F401

os.dup2(_before, 2)
os.close(_before)
os.close(_nowhere)
