"""Settings of all tests."""

import signal

import hypothesis

import trainer  # noqa: F401  # which keeps TensorFlow quiet, whichever test imports it first

# Timings decide no test, and a run that failed once fails again.
hypothesis.settings.register_profile("steady", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("steady")

# A shell that runs tests in the background has them, and all they start, ignore Ctrl-C, and nohup hangups: some tests
# send both.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
