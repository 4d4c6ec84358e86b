"""Runs steps on many small jobs. A job whose result is there already is not run again: so a killed build resumes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Self

from pipeline.pictures.guard import Limits
from pipeline.workers import beam
from pipeline.workers.dataflow_run import DataflowRun
from pipeline.workers.engines import DATAFLOW, check_engine, is_local, runner_name
from pipeline.workers.local import Desk, LocalWorkers
from pipeline.workers.processes import Apart
from pipeline.workers.results import Results, Watch
from pipeline.workers.step import Result, Step

THREADS_PER_WORKER = 2  # of Beam; each holds one job, so that a worker that is done finds the next one waiting


class Runner:
    """Our own workers with Beam's local runner to deal to them, or the runner that the flags name; for `with`.

    Beam is in a process of its own, which imports it while whoever asks does something else.
    """

    def __init__(
        self,
        workers: int,
        beam_flags: Sequence[str] = (),
        scratch: Path | None = None,
        limits: Limits = Limits(),  # noqa: B008  # frozen
        detach: bool = False,
    ) -> None:
        """No --runner among the flags, or DirectRunner, means this machine with so many `workers`.

        `scratch` is a folder for what Beam leaves behind where its process is ended. `limits` are of the work on each
        picture. `detach`: wait for no job of Dataflow's.
        """
        self._workers, self._flags, self._scratch, self._limits = workers, tuple(beam_flags), scratch, limits
        self._beam = Apart()
        self._dataflow = DataflowRun(beam_flags, limits, detach) if runner_name(beam_flags) == DATAFLOW else None

    def __enter__(self) -> Self:
        """Raises EngineError where the runner cannot be reached."""
        check_engine(self._flags)
        self._beam.__enter__().start(beam.prepare, self._flags, self._scratch)
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._beam.__exit__(kind, error, trace)
        if self._dataflow:
            self._dataflow.leave(error)

    def run(
        self,
        step: Step,
        jobs: Sequence[str],
        on_done: Callable[[Result], None] = lambda result: None,
        results: Results | None = None,
    ) -> str:
        """Runs a step on every job.

        Args:
          step: what is done with each.
          jobs: names of jobs that the workers can read.
          on_done: called with each job's result, one at a time; of other workers than ours, with {"paintings": how
            many} now and then.
          results: where results appear, for that.

        Returns:
          A sentence on what a runner of other workers says went wrong, or "". Whether all is done is told by what is
          there.

        Raises:
          EngineError: a runner did not take the work.
          Detached: it has, and nobody is to wait for it.
          MorelliError: of the first job of our own workers that failed with one.
        """
        if not jobs:
            return ""
        if self._dataflow:
            assert results
            return self._dataflow.perform(self._beam, step, jobs, results, on_done)
        if not is_local(self._flags):
            with Watch(results, on_done) if results else nullcontext():
                return self._beam.call(
                    beam.run_on_its_workers, step, tuple(jobs), self._workers, self._flags, self._limits
                )
        with LocalWorkers(self._workers, self._limits, step, jobs, on_done) as workers, Desk(workers.perform) as desk:
            threads = min(self._workers * THREADS_PER_WORKER, len(jobs))
            self._beam.call(beam.deal, desk.address, tuple(jobs), threads, self._flags)
        workers.check()
        return ""
