"""Settings of all tests."""

import os
import signal

import hypothesis

import trainer  # noqa: F401  # which keeps TensorFlow quiet, whichever test imports it first

# Nothing has loaded these libraries yet. Threads that wait for each other within small networks and matrices only burn
# the time of the tests that run beside them.
for library in ("TF_NUM_INTRAOP", "TF_NUM_INTEROP", "OMP_NUM", "OPENBLAS_NUM"):
    os.environ.setdefault(f"{library}_THREADS", "1")

# Timings decide no test, and a run that failed once fails again.
hypothesis.settings.register_profile("steady", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("steady")

# A shell that runs tests in the background has them, and all they start, ignore Ctrl-C, and nohup hangups: some tests
# send both.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
