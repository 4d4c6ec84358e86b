"""Processes that a picture may end: each is replaced, and its work is done again without that picture."""

from __future__ import annotations

import functools
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Self, TypeVar

from pipeline.dataset.rejects import DAMAGED, OUT_OF_MEMORY, TOOK_TOO_LONG
from pipeline.errors import MorelliError
from pipeline.pictures import guard
from pipeline.pictures.guard import Limits
from pipeline.workers.processes import deaf_to_interrupts, pool, when_parent_dies

Result = TypeVar("Result")
_CRASHES = {
    -number: number.name for number in (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE, signal.SIGILL)
}


def _make_folder(workers: int) -> str:
    """A folder in memory, or else on a disk, with room for a note of each process.

    Raises:
      MorelliError: there is no room.
    """
    shared = "/dev/shm"
    folder = None
    try:
        folder = tempfile.mkdtemp(prefix="morelli-guard-", dir=shared if os.access(shared, os.W_OK) else None)
        probe = Path(folder, "room")
        probe.write_bytes(bytes(workers * guard.NOTE_BYTES))
        probe.unlink()
        return folder
    except OSError as error:
        if folder:
            shutil.rmtree(folder, ignore_errors=True)
        raise MorelliError(
            f"There is no room for the notes of worker processes, a few kilobytes ({error}). Free some in {shared} or "
            f"{tempfile.gettempdir()}, or set TMPDIR to a folder that has some."
        ) from error


def _install(limits: Limits, notes: str, ended: dict[str, tuple[str, str]]) -> None:
    """In each process: its limits; and if the one that holds it is killed, its notes are removed."""
    guard.install(limits, notes, ended)
    when_parent_dies(functools.partial(shutil.rmtree, notes, ignore_errors=True))


class GuardedPool:
    """A pool of worker processes whose work on pictures stands within `guard.watching`; for `with`.

    A process that the kernel ends at its picture's limit of time, or that the picture's decoder crashes, takes the
    others of the pool with it, as `ProcessPoolExecutor` has it. All of them are replaced. What was not finished is
    done again, and the picture is then an ImageError to whoever works on it.
    """

    def __init__(self, workers: int, limits: Limits, blame_kills: bool = False) -> None:
        """`blame_kills`: a picture is blamed, too, where the system kills its process, most likely for want of memory.

        Whoever answers for one picture after the other wants that. A build does not: others may have taken the memory,
        and a sound painting would be lost.
        """
        self._workers, self._limits, self._blame_kills = workers, limits, blame_kills
        self._ended: dict[str, tuple[str, str]] = {}
        self._notes = _make_folder(workers)
        self._lock = threading.RLock()
        self._generation = 0
        self._closed = False
        self._start_pool()

    def submit(self, function: Callable[..., Result], *arguments: Any) -> Future[Result]:
        """Calls a function of an importable module in one of the processes.

        Returns:
          Its result, or what it raised; BrokenProcessPool where a process ended that no picture is to blame for.
        """
        finished: Future[Result] = Future()
        self._submit(finished, function, arguments)
        return finished

    def _start_pool(self) -> None:
        self._pool = pool(self._workers, _install, self._limits, self._notes, dict(self._ended))
        self._processes: dict[int, BaseProcess] = self._pool._processes  # type: ignore[assignment]  # by number

    def _submit(self, finished: Future[Any], function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        with self._lock:
            generation = self._generation
            try:
                with deaf_to_interrupts():
                    future = self._pool.submit(function, *arguments)
            except (BrokenProcessPool, RuntimeError) as error:  # ended meanwhile, or shut down
                future = Future()
                future.set_exception(error)
        future.add_done_callback(lambda done: self._on_done(done, generation, finished, function, arguments))

    def _on_done(
        self,
        done: Future[Any],
        generation: int,
        finished: Future[Any],
        function: Callable[..., Any],
        arguments: tuple[Any, ...],
    ) -> None:
        error = CancelledError() if done.cancelled() else done.exception()
        if error is None:
            finished.set_result(done.result())
        elif not isinstance(error, BrokenProcessPool):
            finished.set_exception(error)
        else:  # in a thread, for this one is the pool's own, which has yet to see to its processes
            arguments = (error, generation, finished, function, arguments)
            threading.Thread(target=self._again, args=arguments, daemon=True).start()

    def _again(
        self,
        error: BaseException,
        generation: int,
        finished: Future[Any],
        function: Callable[..., Any],
        arguments: tuple[Any, ...],
    ) -> None:
        try:
            replaced = self._replace(generation)
        except BaseException as fault:  # no room for new processes: whoever waits is told
            replaced, error = False, fault
        if replaced:
            self._submit(finished, function, arguments)
        else:
            finished.set_exception(error)

    def _replace(self, generation: int) -> bool:
        """Starts a new pool in place of one that a picture has ended. False where none is to blame, or all is over."""
        with self._lock:
            if self._closed:
                return False
            if generation < self._generation:
                return True  # somebody else's work in the same pool has seen to it
            self._pool.shutdown(wait=True)  # only then are all exit codes known
            blamed = False
            for number, process in self._processes.items():
                name, fault = guard.read_note(self._notes, number), self._fault(process.exitcode)
                if name and fault and name not in self._ended:
                    self._ended[name] = fault
                    blamed = True
            if blamed:
                self._generation += 1
                self._start_pool()
            return blamed

    def _fault(self, exitcode: int | None) -> tuple[str, str] | None:
        if exitcode == -signal.SIGPROF:
            return TOOK_TOO_LONG, f"more than {self._limits.seconds:g} s of processor time, the limit of --max_seconds"
        if exitcode == -signal.SIGKILL and self._blame_kills:
            return OUT_OF_MEMORY, "the system ended the process that opened it, most likely for want of memory"
        if exitcode in _CRASHES:
            return DAMAGED, f"its decoder ended with {_CRASHES[exitcode]}"
        return None

    def shutdown(self, wait: bool = True) -> None:
        """Ends the processes: when their work is done, or else at once."""
        processes = list(self._processes.values())
        self._closed = not wait
        self._pool.shutdown(wait=wait, cancel_futures=not wait)
        if not wait:
            for process in processes:
                process.terminate()
        self._closed = True
        shutil.rmtree(self._notes, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> None:
        self.shutdown(wait=error is None)
