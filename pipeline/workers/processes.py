"""Processes that take their memory with them, and do not outlive the run that began them.

Those that a process begins are forks of one that has imported what they share (multiprocessing's "forkserver"): they
cost a hundredth of a second in place of a third. It runs no thread, unlike the process that asks, whose locks a fork
would copy.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import connection, forkserver
from typing import ParamSpec, Self, TypeVar

from pipeline.errors import MorelliError

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
_START = "forkserver"


def preload(*modules: str) -> None:
    """Begins to import modules into the process that all others will be forked from; does not wait for it."""
    multiprocessing.get_context(_START).set_forkserver_preload(list(modules))
    with deaf_to_interrupts():
        forkserver.ensure_running()


def pool(workers: int) -> ProcessPoolExecutor:
    """A pool of processes that end when this one is killed; submit to it within `deaf_to_interrupts`."""
    return ProcessPoolExecutor(workers, multiprocessing.get_context(_START), _die_with_parent)


def _die_with_parent() -> None:
    """Ends a worker when its parent is killed. An idle worker would wait for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def deaf_to_interrupts() -> Iterator[None]:
    """Processes started within get no Ctrl-C: a terminal sends it to all, and the one that began them ends them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # inherited; ours comes when it is lifted
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Apart:
    """A process of its own for calls one after the other, which takes with it whatever they held; for `with`."""

    def __enter__(self) -> Self:
        self._pool = pool(1)
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if error is not None:
            for process in (self._pool._processes or {}).values():
                process.terminate()  # else the pool waits for it
        self._pool.shutdown()

    def begin(
        self, function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Callable[[], Result]:
        """Calls a function of an importable module there, and does not wait for it.

        Returns:
          What waits for the result, and raises what `call` does.
        """
        with deaf_to_interrupts(), _named_death(function):
            future = self._pool.submit(function, *args, **kwargs)

        def result() -> Result:
            with _named_death(function):
                return future.result()

        return result

    def call(self, function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        """Calls a function of an importable module there.

        Raises:
          MorelliError: the process died.
          Whatever the function raises.
        """
        return self.begin(function, *args, **kwargs)()


@contextmanager
def _named_death(function: Callable[..., object]) -> Iterator[None]:
    """Turns the death of a process into a sentence."""
    try:
        yield
    except BrokenProcessPool as error:
        raise MorelliError(
            f"The process of {function.__name__} died, most likely for want of memory. Run the same command again."
        ) from error


def apart(function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
    """Calls a function of an importable module in a process of its own, so that no memory of it remains.

    Raises:
      MorelliError: the process died.
      Whatever the function raises.
    """
    with Apart() as process:
        return process.call(function, *args, **kwargs)
