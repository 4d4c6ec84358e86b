"""Worker processes that do not outlive the run that began them."""

from __future__ import annotations

import multiprocessing
import os
import threading
from multiprocessing import connection


def die_with_parent() -> None:
    """For a pool's `initializer`: ends the worker when its parent is killed. An idle worker would wait for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
