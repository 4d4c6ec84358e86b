"""A Dask cluster on loopback, for tests: a scheduler, and two workers with a thread each, which may be killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.forked import ROOT, Command

WORKERS = 2
PATIENCE = 300.0  # seconds; a guard against hanging


class Cluster:
    """Its `address` is for --dask_client_address; `flags` are all that a build needs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        file = folder / "scheduler.json"
        self.scheduler = self._start("scheduler", "--host=127.0.0.1", "--port=0", f"--scheduler-file={file}")
        wait_until(file.exists, self.scheduler)
        self._workers = [
            self._start("worker", f"--scheduler-file={file}", "--nthreads=1", f"--name={number}")
            for number in range(WORKERS)
        ]
        with self.client(file) as client:
            client.wait_for_workers(WORKERS, timeout=PATIENCE)
            self.address = client.scheduler.address
        self.flags = ("--runner=DaskRunner", f"--dask_client_address={self.address}")

    def _start(self, what: str, *flags: str) -> subprocess.Popen[bytes]:
        with (self._folder / f"{what}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "dask", what, *flags, "--no-dashboard"],
                stdout=log,
                stderr=log,
                cwd=self._folder,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )

    @contextmanager
    def client(self, file: Path | None = None) -> Iterator[Any]:
        """To ask the scheduler and the workers something."""
        import distributed

        client = distributed.Client(scheduler_file=str(file)) if file else distributed.Client(self.address)
        try:
            yield client
        finally:
            client.close()

    def shares(self) -> list[int]:
        """How many tasks each worker has done since it started."""
        with self.client() as client:
            client.wait_for_workers(WORKERS, timeout=PATIENCE)
            return list(client.run(lambda dask_worker: dask_worker.state.executed_count).values())

    def pids(self) -> list[int]:
        """Of the workers' processes; each is started again when it ends."""
        with self.client() as client:
            client.wait_for_workers(WORKERS, timeout=PATIENCE)
            return list(client.run(os.getpid).values())

    def stop(self) -> None:
        for process in (*self._workers, self.scheduler):
            process.send_signal(signal.SIGTERM)
        for process in (*self._workers, self.scheduler):
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """A cluster that is up; skips where Dask is not installed."""
    for module in ("dask", "distributed"):
        pytest.importorskip(module, reason="Dask of the extra [dask] is not installed")
    made = Cluster(folder)
    try:
        yield made
    finally:
        made.stop()


def wait_until(reached: Callable[[], object], process: Command | subprocess.Popen[Any]) -> None:
    """Waits for something while a process runs, which must not end before."""
    deadline = time.monotonic() + PATIENCE
    while not reached():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.002)
