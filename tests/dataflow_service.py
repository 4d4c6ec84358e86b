"""Dataflow on loopback, for tests: as much of its REST API, and of Cloud Storage's, as Beam's client asks for.

Jobs do nothing. A test says what becomes of them.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from unittest import mock
from urllib.parse import parse_qs, urlsplit

import crc32c
import pytest

BUCKET = "bucket"


class Service:
    """What the cloud knows.

    Attributes:
      jobs: by id, as the API has them.
      staged: content of staged objects, by name.
      fault: what jobs that fail say.
    """

    def __init__(self) -> None:
        self.jobs: dict[str, dict[str, Any]] = {}
        self.staged: dict[str, bytes] = {}
        self.fault = ""
        self.address = ""
        self.changed = threading.Condition()
        self._numbers = itertools.count(1)

    @property
    def flags(self) -> tuple[str, ...]:
        return (
            "--runner=DataflowRunner",
            "--project=p",
            "--region=europe-west1",
            f"--temp_location=gs://{BUCKET}/tmp",
            f"--dataflow_endpoint={self.address}",
            "--no_auth",
        )

    def states(self) -> list[str]:
        return [job["currentState"].removeprefix("JOB_STATE_") for job in self.jobs.values()]

    def end(self, state: str) -> None:
        """Ends all jobs that run."""
        for job in self.jobs.values():
            if job["currentState"] == "JOB_STATE_RUNNING":
                job["currentState"] = f"JOB_STATE_{state}"

    def wait_for_jobs(self, count: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.jobs) >= count, timeout=300)

    # --- The API -----------------------------------------------------------------------------------------------------

    def answer(self, method: str, url: str, body: bytes) -> tuple[int, Any, dict[str, str]]:
        """(status, JSON, headers)."""
        parts = [part for part in urlsplit(url).path.split("/") if part]
        if parts[:1] == ["v1b3"]:
            status, said = self._dataflow(method, parts, json.loads(body or b"{}"))
            return status, said, {}
        return self._storage(method, url, parts, body)

    def _dataflow(self, method: str, parts: list[str], body: dict[str, Any]) -> tuple[int, Any]:
        if parts[2:5:2] != ["p", "europe-west1"]:
            return 404, {"error": {"code": 404, "message": f"no such project or region: {'/'.join(parts)}"}}
        if parts[-1] == "jobs" and method == "GET":
            return 200, {"jobs": list(self.jobs.values())}
        if parts[-1] == "jobs":
            number = f"2026-{next(self._numbers)}"
            with self.changed:
                self.jobs[number] = {**body, "id": number, "currentState": "JOB_STATE_RUNNING"}
                self.changed.notify_all()
            return 200, self.jobs[number]
        if parts[-1] == "messages":
            return 200, {"jobMessages": [{"messageText": self.fault, "messageImportance": "JOB_MESSAGE_ERROR"}]}
        job = self.jobs[parts[-1]]
        if method == "PUT":
            job["currentState"] = {5: "JOB_STATE_CANCELLED"}[body["requestedState"]]
        return 200, job

    def _storage(self, method: str, url: str, parts: list[str], body: bytes) -> tuple[int, Any, dict[str, str]]:
        name = parse_qs(urlsplit(url).query).get("name", [""])[0]
        if parts[:3] == ["storage", "v1", "b"] and parts[3:] == [BUCKET]:
            return 200, {"name": BUCKET, "location": "EUROPE-WEST1"}, {}
        if parts[:3] == ["upload", "storage", "v1"] and method == "POST":
            where = parse_qs(urlsplit(url).query).get("name", [json.loads(body or b"{}").get("name", "")])[0]
            return 200, {}, {"Location": f"{self.address}/upload/storage/v1/put?name={where}"}
        if parts[:3] == ["upload", "storage", "v1"]:
            self.staged[name] = body
            checksum = base64.b64encode(crc32c.crc32c(body).to_bytes(4, "big")).decode()
            return 200, {"name": name, "bucket": BUCKET, "size": str(len(body)), "crc32c": checksum}, {}
        return 404, {"error": {"code": 404, "message": f"no such thing: {url}"}}, {}


@contextmanager
def serving() -> Iterator[Service]:
    """A service that is up; skips where Beam's client of Dataflow is not installed."""
    for module in ("google.cloud.dataflow", "google.cloud.storage"):
        pytest.importorskip(module, reason="Beam's client of Dataflow, of the extra [gcp], is not installed")
    service = Service()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, said, headers = service.answer(self.command, self.path, body)
            content = json.dumps(said).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Type": "application/json"}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = _answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    service.address = f"http://localhost:{server.server_port}"
    try:
        with mock.patch.dict(os.environ, {"STORAGE_EMULATOR_HOST": service.address}):
            yield service
    finally:
        server.shutdown()
