"""A proxy on loopback: whatever a client asks of a server passes through a function of the test, which may spoil it."""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

_OWN = {
    "connection",
    "content-length",
    "date",
    "host",
    "keep-alive",
    "server",
    "transfer-encoding",
}  # of each connection


@dataclass(frozen=True)
class Request:
    """What a client asks."""

    method: str
    target: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Answer:
    """What it is told; `cut`: the bytes of the body after which the connection is closed, as if the line were torn."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut: int | None = None


Forward = Callable[[Request], Answer]
Between = Callable[[Request, Forward], Answer]


def flaky() -> Between:
    """Spoils whatever is asked for the first time: what is asked decides how, whoever comes first."""
    asked: set[tuple[str, str]] = set()

    def between(request: Request, forward: Forward) -> Answer:
        what = request.method, request.target
        if what in asked:
            return forward(request)
        asked.add(what)
        how = WAYS[zlib.crc32(repr(what).encode()) % len(WAYS)]
        return how(request, forward)

    return between


def refused(status: int, code: str) -> Answer:
    """What a store says, of S3's protocol."""
    return Answer(status, {"Content-Type": "application/xml"}, f"<Error><Code>{code}</Code></Error>".encode())


def _failing(_request: Request, _forward: Forward) -> Answer:
    return refused(500, "InternalError")


def _busy(_request: Request, _forward: Forward) -> Answer:
    return refused(503, "SlowDown")


def _lost(request: Request, forward: Forward) -> Answer:
    """Does what is asked, and says nothing."""
    forward(request)
    raise ConnectionError


def _half(request: Request, forward: Forward) -> Answer:
    answer = forward(request)
    return replace(answer, cut=len(answer.body) // 2)


def _slow(request: Request, forward: Forward) -> Answer:
    time.sleep(0.3)
    return forward(request)


WAYS: tuple[Between, ...] = (_failing, _busy, _lost, _half, _slow)


@contextmanager
def before(server: str, between: Between) -> Iterator[str]:
    """The address of a proxy of a server on loopback. `between` answers, having asked the server or not.

    Where it raises an error, the connection is closed without an answer.
    """
    host = urlsplit(server).netloc

    def forward(request: Request) -> Answer:
        connection = HTTPConnection(host)
        try:
            connection.request(request.method, request.target, request.body or None, request.headers)
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        headers = {name: value for name, value in answer.getheaders() if name.lower() not in _OWN}
        if request.method == "HEAD":
            headers["Content-Length"] = answer.headers["Content-Length"]
        return Answer(answer.status, headers, body)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _OWN}
            answer = between(Request(self.command, self.path, headers, body), forward)
            self.send_response(answer.status)
            for name, value in ({"Content-Length": str(len(answer.body))} | answer.headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body[: answer.cut])
            if answer.cut is not None:
                self.close_connection = True

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = pass_on  # noqa: N815 (names that http.server asks for)

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

        def handle_error(self, *_: Any) -> None:  # whoever asked has gone, or is to think so
            pass

    proxy = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{proxy.server_port}"
    finally:
        proxy.shutdown()
        proxy.server_close()
