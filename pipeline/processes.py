"""Processes that take their memory with them, and do not outlive the run that began them."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection
from typing import ParamSpec, TypeVar

from pipeline.errors import MorelliError

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def die_with_parent() -> None:
    """For a pool's `initializer`: ends the worker when its parent is killed. An idle worker would wait for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def apart(function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
    """Calls a function of an importable module in a process of its own, so that no memory of it remains.

    Raises:
      MorelliError: the process died.
      Whatever the function raises.
    """
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), die_with_parent) as pool:
        try:
            return pool.submit(function, *args, **kwargs).result()
        except BrokenProcessPool as error:
            raise MorelliError(
                f"The process of {function.__name__} died, most likely for want of memory. Run the same command again."
            ) from error
