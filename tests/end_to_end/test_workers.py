"""python -m trainer.main on two workers, as on two machines: together, and preempted together."""

from __future__ import annotations

import json
import signal
import socket
from pathlib import Path

from tests.end_to_end.trainings import STEPS, finish, newest_step, start, wait_for_step
from tests.forked import Command


def start_workers(dataset: Path, run: Path) -> list[Command]:
    ports = []
    for _ in range(2):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            ports.append(probe.getsockname()[1])
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    return [
        start(
            dataset,
            run,
            "--strategy=multiworker",
            "--epochs=1",
            "--nodeterministic",
            TF_CONFIG=json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}}),
        )
        for index in range(2)
    ]


def test_two_workers_train_together_and_leave_together_when_one_is_preempted(dataset: Path, tmp_path: Path) -> None:
    workers = start_workers(dataset, tmp_path)
    wait_for_step(workers[0], tmp_path, 4)
    workers[1].send_signal(signal.SIGTERM)
    ends = [finish(worker) for worker in workers]
    at = newest_step(tmp_path)
    for code, _, err in ends:
        assert code == 128 + signal.SIGTERM, err
        assert f"after step {at}; " in err

    ends = [finish(worker) for worker in start_workers(dataset, tmp_path)]
    for code, _, err in ends:
        assert code == 0, err
    assert f"Resuming from step {at}:" in ends[0][1]
    assert newest_step(tmp_path) == STEPS
    assert json.loads((tmp_path / "results.json").read_text())["test"]["crop"]["count"] > 0
