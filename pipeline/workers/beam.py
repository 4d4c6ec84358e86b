"""Beam, which deals the jobs out: on this machine to our own workers, or on any runner to the workers it has.

What Beam carries are file names alone, a few bytes an element, so that no runner ever has a painting, or a list of
paintings, in a shuffle. All functions here import Beam, and run in a process of their own.
"""

from __future__ import annotations

import functools
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from multiprocessing import current_process
from pathlib import Path
from typing import Any

from pipeline.errors import EngineError, MorelliError
from pipeline.pictures.guard import Limits
from pipeline.workers import dask, package
from pipeline.workers.engines import DASK, DATAFLOW, DIRECT, FN_API, is_local, not_started, runner_name
from pipeline.workers.guarded import GuardedPool
from pipeline.workers.local import hand_in
from pipeline.workers.log import in_a_sentence, kept_back, our_fault
from pipeline.workers.step import Step

# Beam imports these wherever they are installed; file names can do without clients of other stores and data frames.
_NOT_FOR_NAMES = ("azure", "boto3", "google.cloud", "hdfs", "pandas", "pyarrow", "pymongo")


class _Hidden:
    """Lets imports of modules fail as if they were not installed; goes to the front of `sys.meta_path`."""

    def find_spec(self, name: str, path: object, target: object = None) -> None:
        if any(name == hidden or name.startswith(f"{hidden}.") for hidden in _NOT_FOR_NAMES):
            raise ModuleNotFoundError(f"{name} is not for carrying file names", name=name)


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
    """The local runner's class.

    Not by its name "DirectRunner": Beam would first try to fetch another one.
    """
    import_beam()
    from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner

    return FnApiRunner


def prepare(beam_flags: Sequence[str], scratch: Path | None = None) -> None:
    """Imports what `deal` or `run_on_its_workers` needs: that takes a second.

    In a process that only deals jobs out on this machine, Beam is left without clients of clouds and without data
    frames, for as long as the process lives: half a second and 100 MiB less than the whole.
    """
    if scratch is not None:
        tempfile.tempdir = str(scratch)  # what Beam leaves behind where its process is ended
    if is_local(beam_flags):
        sys.meta_path.insert(0, _Hidden())
        import_runner()
    else:
        import_beam()


def deal(address: str, jobs: Sequence[str], threads: int, beam_flags: Sequence[str]) -> None:
    """Has Beam's local runner hand in every job at a desk of this machine, in several threads."""
    runner = import_runner()
    from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions

    options = PipelineOptions(list(beam_flags))
    direct = options.view_as(DirectOptions)
    direct.direct_running_mode = "multi_threading"
    direct.direct_num_workers = threads
    pipeline = import_beam().Pipeline(runner(), options)
    deal_out(pipeline, jobs, hand_in, address)
    pipeline.run().wait_until_finish()


def run_on_its_workers(step: Step, jobs: Sequence[str], workers: int, beam_flags: Sequence[str], limits: Limits) -> str:
    """Runs a step on every job, on whatever workers the runner of the flags has.

    `limits` are of the work on each picture.

    Returns:
      A sentence on what the runner says went wrong; "" where it says that all went well. Neither is a proof.

    Raises:
      EngineError: the runner did not take the work.
    """
    try:
        return _hear(lambda pipeline: deal_out(pipeline, jobs, perform, (step, limits)), beam_flags, workers, len(jobs))
    finally:
        if _processes.cache_info().currsize:  # this process was itself a worker, and waits for them when it ends
            _processes(limits).shutdown(wait=False)
            _processes.cache_clear()


def run_pipeline(build: Callable[[Any], None], beam_flags: Sequence[str]) -> None:
    """Runs to its end what `build` adds to a pipeline, on the runner that the flags name.

    Raises:
      MorelliError: a sentence on what the runner says went wrong.
    """
    if heard := _hear(build, beam_flags):
        raise MorelliError(heard)


def _hear(build: Callable[[Any], None], beam_flags: Sequence[str], workers: int = 1, elements: int = 1) -> str:
    """Runs what `build` adds to a pipeline; returns and raises what `run_on_its_workers` does."""
    name = runner_name(beam_flags)
    with kept_back(*dask.LOGGERS) as log:
        try:
            fault = _run(name, build, beam_flags, workers, elements)
        except EngineError:
            raise
        except MorelliError as error:
            return str(error)
        except Exception as error:  # every runner has its own
            if ours := our_fault(str(error)) or log.our_fault():
                return ours
            fault = in_a_sentence(error)
    if not fault:
        return ""
    path = log.save()
    return f"{name} says: {fault.rstrip('.')}." + (f" What it logged is in {path}." if path else "")


def _run(name: str, build: Callable[[Any], None], beam_flags: Sequence[str], workers: int, elements: int) -> str:
    """What the runner says went wrong, if it raises nothing."""
    beam = import_beam()
    from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions

    options = PipelineOptions(list(beam_flags))
    options.view_as(DirectOptions).direct_num_workers = workers
    runner: Any = name
    if name in (DIRECT, FN_API):
        runner = import_runner()()
    elif name == DASK:
        runner = dask.import_dask().DaskRunner()
        dask.spread(options, elements)
    elif name == DATAFLOW:
        package.add_to(options)
    try:
        pipeline = beam.Pipeline(runner=runner, options=options)
        build(pipeline)
        result = pipeline.run()
    except Exception as error:
        if name in (DIRECT, FN_API):  # which do the work before they return
            raise
        raise not_started(name, in_a_sentence(error)) from error
    return dask.wait(result) if name == DASK else _wait(result)


def perform(job: str, what: tuple[Step, Limits]) -> None:
    """Does a job in a process beside Beam's own, which a picture may then end."""
    step, limits = what
    step.finish(_processes(limits).submit(step.work, job).result())


@functools.cache
def _processes(limits: Limits) -> GuardedPool:
    """Those of this worker of Beam's, started as its threads ask for them; they end with it."""
    current_process().daemon = False  # as a worker of Dask's is, which may start none then
    return GuardedPool(os.cpu_count() or 1, limits)


def deal_out(pipeline: Any, jobs: Sequence[str], function: Any, argument: Any) -> None:
    """Adds a step to a pipeline: `function` is called with each of the jobs, and with `argument`."""
    beam = import_beam()
    # Create shuffles, so that a runner may deal the jobs out instead of fusing them onto the machine that created them.
    _ = pipeline | beam.Create(list(jobs), reshuffle=True) | beam.Map(function, argument)


def _wait(result: Any) -> str:
    state = result.wait_until_finish()
    return "" if state in (None, "DONE") else f"the job ended as {state}"
