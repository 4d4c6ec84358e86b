"""A step on Dataflow, seen from the machine that asked for it: found or started, watched, left behind or cancelled."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Sequence

from pipeline.errors import EngineError
from pipeline.pictures.guard import Limits
from pipeline.terminal.streams import complain, say
from pipeline.workers import dataflow_jobs
from pipeline.workers.dataflow import given_name
from pipeline.workers.dataflow_jobs import Job
from pipeline.workers.processes import Apart, apart
from pipeline.workers.results import Results, Watch
from pipeline.workers.step import Result, Step

_RESUMES = "The same command waits for it and resumes."


class Detached(Exception):  # noqa: N818 - nothing is wrong
    """A job runs on by itself, as was asked for. The text is a sentence for a person."""


class DataflowRun:
    """The steps of a build, one job each. A job's name tells what it works on, so that it is found again."""

    def __init__(self, beam_flags: Sequence[str], limits: Limits, detach: bool) -> None:
        self._flags, self._limits, self._detach = tuple(beam_flags), limits, detach
        self._name = ""  # of the job that may be running
        self._job: Job | None = None

    def perform(
        self, beam: Apart, step: Step, jobs: Sequence[str], results: Results, on_done: Callable[[Result], None]
    ) -> str:
        """Runs a step on every job, in a job of Dataflow's: the one that is running, or a new one.

        Returns:
          A sentence on what Dataflow says went wrong, or "".

        Raises:
          EngineError: Dataflow did not take the work.
          Detached: it has, and nobody is to wait for it.
        """
        name = job_name(self._flags, step, results)
        found = beam.call(dataflow_jobs.find, self._flags, name)
        self._name, self._job = name, found
        if found is None:
            self._job = beam.call(dataflow_jobs.start, step, tuple(jobs), self._flags, self._limits, name)
        assert self._job
        say(f"Dataflow job {self._job.id} {'is running already' if found else 'has started'}: {self._job.page}")
        if self._detach:
            self._name = ""
            raise Detached(
                f"Dataflow job {self._job.id} runs on. Once it is done, the same command takes the next step."
            )
        with Watch(results, on_done):
            heard = beam.call(dataflow_jobs.wait, self._job, self._flags)
        self._name = ""
        return heard

    def leave(self, error: BaseException | None) -> None:
        """After an end: cancels the job that may be running, if a signal ended the wait and the user does not object.

        Call it when no process of this build can start one any more. A job that nobody waits for would be billed on.
        """
        if not self._name or not isinstance(error, KeyboardInterrupt):
            return
        try:
            job = self._job or apart(dataflow_jobs.find, self._flags, self._name)
            if job is None:
                return
            if not _may_cancel(job):
                complain(f"Dataflow job {job.id} runs on, and is billed. {_RESUMES}")
                return
            apart(dataflow_jobs.cancel, job, self._flags)
            complain(f"Dataflow job {job.id} is being cancelled.")
        except EngineError as fault:
            complain(f"{fault} A job that is running runs on, and is billed: see the console.")


def job_name(beam_flags: Sequence[str], step: Step, results: Results) -> str:
    """The name of the job that does a step and leaves these results."""
    digest = hashlib.sha256(json.dumps(results.folders).encode()).hexdigest()[:10]
    return f"{given_name(beam_flags)}-{step.work.__name__}-{digest}".replace("_", "-").lower()


def _may_cancel(job: Job) -> bool:
    """Asks, if there is somebody at a terminal; where nobody is, a job must not run on unseen."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return True
    print(
        f"\nCancel Dataflow job {job.id}? Else it runs on, and is billed. [Y/n] ", end="", file=sys.stderr, flush=True
    )
    return not sys.stdin.readline().strip().lower().startswith("n")
