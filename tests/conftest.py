"""Settings of all tests."""

import os
import signal

import hypothesis

# Timings decide no test, and a run that failed once fails again.
hypothesis.settings.register_profile("steady", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("steady")

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# A shell that runs tests in the background has them, and all they start, ignore Ctrl-C, which some tests send.
signal.signal(signal.SIGINT, signal.default_int_handler)
