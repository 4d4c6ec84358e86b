"""Many small jobs through Beam: each is a JSON file that names its work, and leaves one JSON file as its result.

What Beam carries are file names alone, a few bytes an element, so that no runner ever has a painting, or a list of
paintings, in a shuffle. A job whose result is there already is not run again: that is how a killed build goes on.

Where the runner is the local one, Beam deals the jobs out and light worker processes, which never import Beam, do them:
a Beam SDK process costs 170 MiB before it has done anything, and its local runner deals work out once, at the start, so
that one slow worker keeps the others waiting. Workers begin with the first jobs while Beam is still being imported;
Beam then finds these begun, or done.
"""

from __future__ import annotations

import argparse
import logging
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, NamedTuple

from pipeline.errors import MorelliError
from pipeline.workers.processes import deaf_to_interrupts, pool

THREADS_PER_WORKER = 2  # of Beam; each holds one job, so that a worker that is done finds the next one waiting
# Beam imports these wherever they are installed; file names can do without clients of other stores and data frames.
_NOT_FOR_NAMES = ("azure", "boto3", "google.cloud", "hdfs", "pandas", "pyarrow", "pymongo")
HEAD_START = 16  # jobs a worker is given before Beam is there to deal them out: two seconds' worth

Result = dict[str, Any]


def _nothing_left_to_do(result: Result) -> None:
    pass


class Step(NamedTuple):
    """What is done with every job, by functions of importable modules, since workers import them by name.

    Attributes:
      work: job file -> a small result. It writes what it makes itself.
      finish: what is to be done with that result and waits for the disk: of local workers another process does it, and
        the worker goes on.
    """

    work: Callable[[str], Result]
    finish: Callable[[Result], None] = _nothing_left_to_do


class _Bench:
    """The local worker processes, a few threads that finish what they have worked, and what became of their jobs."""

    def __init__(self, workers: int, step: Step, jobs: Sequence[str], on_done: Callable[[Result], None]) -> None:
        self.failure: BaseException | None = None
        self._step, self._on_done = step, on_done
        self._lock = threading.Lock()
        self._pool = pool(workers)
        self._finishers = ThreadPoolExecutor(workers)
        self._begun = {job: self._begin(job) for job in jobs[: workers * HEAD_START]}

    def perform(self, job: str) -> None:
        """Waits until a job is finished."""
        if self.failure is not None:  # the build is lost already: do not begin more
            return
        try:
            (self._begun.pop(job, None) or self._begin(job)).result()
        except Exception as error:  # kept for `run`: raised here, Beam would print it once for every thread
            self.failure = self.failure or error

    def _begin(self, job: str) -> Future[None]:
        """A job is finished when it is worked, not when Beam comes to it: what a kill finds finished is kept."""
        finished: Future[None] = Future()

        def on_worked(worked: Future[Result]) -> None:
            if error := CancelledError() if worked.cancelled() else worked.exception():
                finished.set_exception(error)
            else:
                self._finishers.submit(self._finish, worked.result(), finished)

        with deaf_to_interrupts():
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

    def close(self) -> None:
        processes = list((self._pool._processes or {}).values())
        self._pool.shutdown(wait=self.failure is None, cancel_futures=True)
        if self.failure is None:
            self._finishers.shutdown()
        else:
            for process in processes:
                process.terminate()


_bench: _Bench | None = None


def _perform(job: str, step: Step) -> None:
    """What a Beam element runs, on any runner."""
    if _bench is not None:
        _bench.perform(job)
    else:
        step.finish(step.work(job))


@contextmanager
def _local_workers(
    workers: int, step: Step, jobs: Sequence[str], on_done: Callable[[Result], None]
) -> Iterator[_Bench]:
    global _bench
    _bench = _Bench(workers, step, jobs, on_done)
    try:
        yield _bench
    except KeyboardInterrupt as error:
        _bench.failure = error
        raise
    finally:
        _bench.close()
        _bench = None


def import_beam() -> Any:
    """apache_beam, without its warnings on import that this or that cloud's client is not installed."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        import apache_beam
    finally:
        logging.disable(level)
    return apache_beam


def import_runner() -> Any:
    """The local runner's class, around the part of Beam that it needs: 0.8 s and 100 MiB less than the whole.

    Not by its name "DirectRunner": Beam would first try to fetch another one.
    """
    with _hidden(_NOT_FOR_NAMES):
        import_beam()
    from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner

    return FnApiRunner


@contextmanager
def _hidden(modules: Sequence[str]) -> Iterator[None]:
    """Lets imports of modules fail as if they were not installed."""
    hidden = [name for name in modules if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None is what the import system looks for
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def prepare(beam_flags: Sequence[str]) -> None:
    """Imports what `run` needs for these flags: that takes a second."""
    if _is_local(beam_flags):
        import_runner()
    else:
        import_beam()


def run(
    step: Step,
    jobs: Sequence[str],
    workers: int,
    beam_flags: Sequence[str] = (),
    on_done: Callable[[Result], None] = lambda result: None,
) -> None:
    """Runs `step` on every job file.

    Args:
      step: what is done with each.
      jobs: paths of job files that the workers can read.
      workers: processes of the local runner; other runners take theirs from `beam_flags`.
      beam_flags: for Beam's PipelineOptions. No --runner, or DirectRunner, means Beam's FnApiRunner on this machine.
      on_done: called with each job's result, one at a time; only by the local runner.

    Raises:
      MorelliError: of the first job that failed with one, or a sentence about the runner.
    """
    if not jobs:
        return
    if not _is_local(beam_flags):
        _run_on_beams_workers(step, jobs, workers, beam_flags)
        return
    with _local_workers(workers, step, jobs, on_done) as bench:
        runner = import_runner()
        from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions

        options = PipelineOptions(list(beam_flags))
        direct = options.view_as(DirectOptions)
        direct.direct_running_mode = "multi_threading"
        direct.direct_num_workers = min(workers * THREADS_PER_WORKER, len(jobs))
        _execute(import_beam().Pipeline(runner(), options), step, jobs)
    if isinstance(bench.failure, BrokenProcessPool):
        raise MorelliError(
            "A worker process died, most likely for want of memory. Run the same command again: it goes on from here; "
            "with --workers=1 it needs the least memory."
        ) from bench.failure
    if bench.failure is not None:
        raise bench.failure


def _is_local(beam_flags: Sequence[str]) -> bool:
    """Whether worker processes of ours do the jobs; said without Beam, which takes a second and more to import."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--runner", default="DirectRunner")
    parser.add_argument("--direct_running_mode", default="in_memory")
    named, _ = parser.parse_known_args(list(beam_flags))
    return named.runner in ("DirectRunner", "FnApiRunner") and named.direct_running_mode == "in_memory"


def _run_on_beams_workers(step: Step, jobs: Sequence[str], workers: int, beam_flags: Sequence[str]) -> None:
    beam = import_beam()
    from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions, StandardOptions

    options = PipelineOptions(list(beam_flags))
    options.view_as(DirectOptions).direct_num_workers = workers
    runner = options.view_as(StandardOptions).runner
    try:
        _execute(beam.Pipeline(runner=runner or import_runner()(), options=options), step, jobs)
    except MorelliError:
        raise
    except Exception as error:  # every runner has its own
        raise MorelliError(f"{runner or 'FnApiRunner'} could not do the work: {error}") from error


def _execute(pipeline: Any, step: Step, jobs: Sequence[str]) -> None:
    beam = import_beam()
    # Create shuffles, so that a runner may deal the jobs out instead of fusing them onto the machine that created them.
    _ = pipeline | beam.Create(list(jobs), reshuffle=True) | beam.Map(_perform, step)
    result = pipeline.run()
    state = result.wait_until_finish()
    if state not in (None, "DONE"):
        raise MorelliError(f"The Beam job ended as {state}. The runner's own log says why; run the same command again.")
