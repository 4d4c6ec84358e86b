"""Which runner do the flags for Beam name, and is it there? Asked before any work is given to it."""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import socket
from collections.abc import Sequence

from pipeline.errors import EngineError

DIRECT, FN_API, DASK, DATAFLOW = "DirectRunner", "FnApiRunner", "DaskRunner", "DataflowRunner"
_STARTED_BY_JAVA = ("FlinkRunner", "SparkRunner")
_KNOWN = (DIRECT, FN_API, DASK, DATAFLOW, *_STARTED_BY_JAVA, "PortableRunner", "PrismRunner")
_INSTEAD = {  # of what Beam would download
    "FlinkRunner": "--flink_job_server_jar=FILE, or --job_endpoint=HOST:PORT of a job service that runs already",
    "SparkRunner": "--spark_job_server_jar=FILE, or --job_endpoint=HOST:PORT of a job service that runs already",
    "PrismRunner": "--prism_location=FILE, or --job_endpoint=HOST:PORT of one that runs already",
}
_PATIENCE = 5.0  # seconds, for a connection to a machine that must be up


def _parse(beam_flags: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--runner", default=DIRECT)
    parser.add_argument("--direct_running_mode", default="in_memory")
    parser.add_argument("--job_server_java_launcher", default="java")
    for name in ("job_endpoint", "dask_client_address", "dask_scheduler_file", "flink_master", "environment_type"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--environment_config")
    return parser.parse_known_args(list(beam_flags))[0]


def runner_name(beam_flags: Sequence[str]) -> str:
    """The runner's name as Beam's documentation has it; of one that is not among those, what the flag says."""
    given: str = _parse(beam_flags).runner
    short = given.rpartition(".")[2] if given.startswith("apache_beam.") else given
    names = {known.lower(): known for known in _KNOWN} | {
        known.lower().removesuffix("runner"): known for known in _KNOWN
    }
    return names.get(short.lower(), given)


def is_local(beam_flags: Sequence[str]) -> bool:
    """Whether worker processes of ours do the jobs; said without Beam, which takes a second and more to import."""
    return runner_name(beam_flags) in (DIRECT, FN_API) and _parse(beam_flags).direct_running_mode == "in_memory"


def check_engine(beam_flags: Sequence[str]) -> None:
    """Tries to connect to what the flags name.

    Raises:
      EngineError: nothing answers there, or what the runner needs is not named or not installed.
    """
    given, name = _parse(beam_flags), runner_name(beam_flags)
    if name == DASK and not (
        given.dask_client_address or given.dask_scheduler_file or os.environ.get("DASK_SCHEDULER_ADDRESS")
    ):
        raise EngineError(
            f"{name} needs --dask_client_address=tcp://HOST:8786, the address of a running `dask scheduler`. On this "
            "machine alone, leave --runner out."
        )
    if name == DATAFLOW and not _is_installed("google.cloud.dataflow"):
        raise EngineError(f"{name}: its client is not installed. pip install 'morelli[gcp]'")
    if name == "PortableRunner" and not given.job_endpoint:
        raise EngineError(f"{name} needs --job_endpoint=HOST:PORT, the address of a running job service.")
    if name in _STARTED_BY_JAVA and not given.job_endpoint and not shutil.which(given.job_server_java_launcher):
        raise EngineError(
            f"{name} starts a job service with {given.job_server_java_launcher}, which is not installed here. Install "
            "Java 11 or later, or pass --job_endpoint=HOST:PORT of a job service that runs elsewhere."
        )
    worker_pool = given.environment_config if given.environment_type == "EXTERNAL" else None
    for flag, address in (
        ("--job_endpoint", given.job_endpoint),
        ("--dask_client_address", given.dask_client_address),
        ("--flink_master", given.flink_master),
        ("--environment_config", worker_pool),
    ):
        _check_answer(name, flag, address or "")


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # of a package above it
        return False


def _check_answer(name: str, flag: str, address: str) -> None:
    host, colon, port = address.rpartition("://")[2].rstrip("/").rpartition(":")
    if not colon or not port.isdecimal():
        return  # of another kind: a word such as [auto], or whatever the runner makes of it
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE).close()
    except OSError as error:
        raise EngineError(
            f"{name}: nothing answers at {flag}={address} ({error.strerror or error}). Is it running, and can this "
            "machine reach it? Nothing was started."
        ) from error


def not_started(name: str, why: str) -> EngineError:
    """What to say of a runner that did not take the work."""
    advice = f" Pass {_INSTEAD[name]}." if name in _INSTEAD else ""
    return EngineError(f"{name} did not take the work: {why.rstrip('.')}.{advice} Nothing was started.")
