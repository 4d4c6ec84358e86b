"""Processes that take their memory with them, and do not outlive the run that began them.

Those that a process starts are forks of one that has imported what they share (multiprocessing's "forkserver"): they
cost a hundredth of a second in place of a third. It runs no thread, unlike the process that asks, whose locks a fork
would copy.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from multiprocessing import connection, forkserver, resource_tracker
from typing import Any, ParamSpec, Self, TypeVar

from pipeline.errors import MorelliError

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
_START = "forkserver"


def preload(*modules: str) -> None:
    """Starts to import modules into the process that all others will be forked from; does not wait for it."""
    multiprocessing.get_context(_START).set_forkserver_preload(list(modules))
    _start_helpers()


def pool(workers: int, setup: Callable[..., None] | None = None, *arguments: Any) -> ProcessPoolExecutor:
    """A pool of processes that end when this one is killed; submit to it within `deaf_to_interrupts`.

    Args:
      workers: how many, at most.
      setup: a function of an importable module that each calls first, with `arguments`.

    Raises:
      MorelliError: this machine lets no processes share semaphores.
    """
    _start_helpers()
    try:
        return ProcessPoolExecutor(
            workers, multiprocessing.get_context(_START), _set_up, (setup, *arguments) if setup else ()
        )
    except (OSError, ImportError) as error:
        raise MorelliError(
            f"Worker processes need shared memory, which this machine does not lend ({error}). See that /dev/shm is "
            "there and can be written to (in a container: --tmpfs /dev/shm)."
        ) from error


def _start_helpers() -> None:
    """Starts the process that all others will be forked from, and the one that removes semaphores of ended ones.

    The latter first and by itself, since Python lifts the block of Ctrl-C when it starts it. It warns of what it
    removes; that a process was ended is known here, and it ignores the warnings that this process says it ignores.
    """
    ignored = "ignore::UserWarning:multiprocessing.resource_tracker"
    sys.warnoptions.append(ignored)
    try:
        with _blocked(signal.SIGINT, signal.SIGHUP):
            resource_tracker.ensure_running()
    finally:
        sys.warnoptions.remove(ignored)
    with _blocked(signal.SIGINT, signal.SIGHUP):  # not SIGTERM, with which this process ends them
        forkserver.ensure_running()


def _set_up(setup: Callable[..., None] | None = None, *arguments: Any) -> None:
    _die_with_parent()
    if setup:
        setup(*arguments)


_last_acts: list[Callable[[], object]] = []


def when_parent_dies(act: Callable[[], object]) -> None:
    """Has a process of a pool do something before it ends for that; what its parent can no longer do."""
    _last_acts.append(act)


def _die_with_parent() -> None:
    """Ends a worker when its parent is killed. An idle worker would wait for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        connection.wait([parent.sentinel])
        for act in _last_acts:
            with suppress(Exception):
                act()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def deaf_to_interrupts() -> Iterator[None]:
    """Signals wait while work is submitted: a process that starts just then would be known to nobody."""
    with _blocked(signal.SIGINT, signal.SIGHUP, signal.SIGTERM), _noted(signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        yield


@contextmanager
def _noted(*signals: signal.Signals) -> Iterator[None]:
    """Lets signals wait that another thread of this process gets: Python has the main thread handle them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    waiting: list[int] = []
    before = {number: signal.getsignal(number) for number in signals}
    for number in signals:
        if before[number] not in (signal.SIG_IGN, None):
            signal.signal(number, lambda number, frame: waiting.append(number))
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler not in (signal.SIG_IGN, None):
                signal.signal(number, handler)
        for late in dict.fromkeys(waiting):
            signal.raise_signal(late)


@contextmanager
def _blocked(*signals: signal.Signals) -> Iterator[None]:
    """Lets signals wait; processes started within never get them.

    A terminal sends Ctrl-C and hangups to all of them. The one that started them ends them.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
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

    def start(
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
        return self.start(function, *args, **kwargs)()


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
