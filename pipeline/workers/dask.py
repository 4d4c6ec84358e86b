"""Dask: jobs spread over all workers of a cluster, and the truth about a scheduler that has died.

Beam's own way puts 128 jobs into one task, so that one worker has them all, and takes a job whose scheduler is gone for
one that is done.
"""

from __future__ import annotations

import math
from typing import Any

from pipeline.errors import EngineError

LOGGERS = ("distributed", "distributed.client", "distributed.core", "distributed.scheduler", "distributed.worker")
_MOST_TASKS = 20_000  # at half a millisecond of the scheduler's time each
_FINISHED = "finished"


def import_dask() -> Any:
    """Beam's module for Dask, which has its runner and its flags.

    Raises:
      EngineError: Dask is not installed.
    """
    try:
        import distributed  # noqa: F401
        from apache_beam.runners.dask import dask_runner
    except ImportError as error:
        raise EngineError(f"DaskRunner: {error.name} is not installed. pip install 'morelli[dask]'") from error
    return dask_runner


def spread(options: Any, jobs: int) -> None:
    """Sets how many jobs are in a task, if the user has not: one, so that whoever is free takes the next."""
    given = options.view_as(import_dask().DaskOptions)
    if given.npartitions is None and given.partition_size is None:
        given.partition_size = math.ceil(jobs / _MOST_TASKS)


def wait(result: Any) -> str:
    """Waits for the end of what Beam's runner has started.

    Args:
      result: of `Pipeline.run`.

    Returns:
      What went wrong with the scheduler; "" if nothing.

    Raises:
      Whatever a job has raised.
    """
    import distributed

    client = result.client
    try:
        lost = 0
        for future, outcome in distributed.as_completed(result.futures, with_results=True, raise_errors=False):
            if future.status == "error":
                raise outcome[1]
            lost += future.status != _FINISHED
        if lost or client.status != "running":
            return "the scheduler can no longer be reached"
        return ""
    finally:
        client.close(timeout=5)
