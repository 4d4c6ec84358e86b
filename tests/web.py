"""A web server on loopback that answers as a test says, and remembers what it was asked."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Answer:
    """What is said to a request; `piece_seconds`: how long each piece of the body takes."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    piece_seconds: float = 0.0


@dataclass
class Web:
    """A server: its address, what it was asked how often, and the most requests there were at a time."""

    address: str
    asked: Counter[str] = field(default_factory=Counter)
    at_once: int = 0


@contextmanager
def serving(answer: Callable[[str, int], Answer]) -> Iterator[Web]:
    """Serves what `answer` says to a path, asked for the so-manieth time."""
    lock, now = threading.Lock(), 0

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            nonlocal now
            with lock:
                web.asked[self.path] += 1
                time_asked = web.asked[self.path]
                now += 1
                web.at_once = max(web.at_once, now)
            said = answer(self.path, time_asked)
            try:
                self.send_response(said.status)
                for name, value in {"Content-Length": str(len(said.body)), **said.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                for start in range(0, max(1, len(said.body)), 2**16):
                    time.sleep(said.piece_seconds)
                    if start + 2**16 >= len(said.body):
                        with lock:  # before whoever asks can know that it is the end, and ask for the next
                            now -= 1
                    self.wfile.write(said.body[start : start + 2**16])
            except OSError:  # whoever asked has gone
                pass

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    web = Web(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()
