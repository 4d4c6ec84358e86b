"""Worker processes of this machine, and the desk at which Beam hands in jobs for them.

A Beam SDK process costs 170 MiB before it has done anything, and Beam's local runner deals work out once, at the start,
so that one slow worker keeps the others waiting. So light processes, which never import Beam, do the jobs. Beam is in a
process of its own: it hands in the name of a job at a `Desk`, and waits until that is done.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing import AuthenticationError, connection, current_process
from typing import Self

from pipeline.errors import MorelliError
from pipeline.pictures.guard import Limits
from pipeline.workers.guarded import GuardedPool
from pipeline.workers.step import Result, Step

HEAD_START = 16  # jobs a worker is given before Beam is there to deal them out: two seconds' worth


class LocalWorkers:
    """The worker processes, a few threads that finish what they have worked, and what became of their jobs; for `with`.

    Workers start with the first jobs at once; Beam, when it is there, finds these started or done.
    """

    def __init__(
        self, workers: int, limits: Limits, step: Step, jobs: Sequence[str], on_done: Callable[[Result], None]
    ) -> None:
        """Starts the first of `jobs`; `on_done` is called with each result, one at a time."""
        self.failure: BaseException | None = None
        self._step, self._on_done = step, on_done
        self._lock = threading.Lock()
        self._pool = GuardedPool(workers, limits)
        self._finishers = ThreadPoolExecutor(workers)
        self._started = {job: self._start(job) for job in jobs[: workers * HEAD_START]}

    def perform(self, job: str) -> None:
        """Waits until a job is finished; keeps its fault for `check`."""
        if self.failure is not None:  # the build is lost already: start no more
            return
        try:
            (self._started.pop(job, None) or self._start(job)).result()
        except Exception as error:
            self.failure = self.failure or error

    def _start(self, job: str) -> Future[None]:
        """A job is finished when it is worked, not when Beam comes to it: what a kill finds finished is kept."""
        finished: Future[None] = Future()

        def on_worked(worked: Future[Result]) -> None:
            if error := worked.exception():
                finished.set_exception(error)
            else:
                self._finishers.submit(self._finish, worked.result(), finished)

        self._pool.submit(self._step.work, job).add_done_callback(on_worked)
        return finished

    def _finish(self, result: Result, finished: Future[None]) -> None:
        try:
            self._step.finish(result)
            with self._lock:
                self._on_done(result)
        except BaseException as error:
            finished.set_exception(error)
        else:
            finished.set_result(None)

    def check(self) -> None:
        """Raises the first fault of a job; MorelliError where a worker has died."""
        if isinstance(self.failure, BrokenProcessPool):
            raise MorelliError(
                "A worker process died, most likely for want of memory. Run the same command again: it resumes from "
                "here; with --workers=1 it needs the least memory."
            ) from self.failure
        if self.failure is not None:
            raise self.failure

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.failure = self.failure or error
        self._pool.shutdown(wait=self.failure is None)
        if self.failure is None:
            self._finishers.shutdown()


class Desk:
    """A socket where another process hands in the name of a job, and waits until that is done; for `with`.

    Attributes:
      address: for `hand_in`.
    """

    def __init__(self, perform: Callable[[str], None]) -> None:
        """`perform` does a job; it is called by many threads at once."""
        self._perform = perform
        self._listener = connection.Listener(family="AF_UNIX", backlog=64, authkey=current_process().authkey)
        self.address = str(self._listener.address)
        self._closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while not self._closed:
            with suppress(OSError, EOFError, AuthenticationError):  # one that was cut off is no reason to close
                threading.Thread(target=self._serve, args=(self._listener.accept(),), daemon=True).start()

    def _serve(self, client: connection.Connection) -> None:
        with client, suppress(EOFError, OSError):  # Beam's process has ended
            self._perform(client.recv())
            client.send(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True
        with suppress(OSError, EOFError, AuthenticationError):  # lets `_accept` see that it is closed
            connection.Client(self.address).close()
        self._listener.close()


def hand_in(job: str, address: str) -> None:
    """Hands a job in at a desk, and waits until it is done."""
    with connection.Client(address, authkey=current_process().authkey) as desk:
        desk.send(job)
        desk.recv()
