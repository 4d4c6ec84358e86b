"""A server whose slow clients keep nobody out."""

from __future__ import annotations

import contextlib
import socket
import threading
import urllib.request
from collections.abc import Iterator

import flask
import pytest

from pipeline.errors import InputError
from trainer.asking import server
from trainer.asking.server import Server, listen
from trainer.serve import is_loopback

HEAD = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n"


def make_page() -> flask.Flask:
    page = flask.Flask("page")
    page.config["MAX_CONTENT_LENGTH"] = 1 << 20

    @page.get("/")
    def start() -> str:
        return "here"

    @page.post("/")
    def take() -> str:
        return str(len(flask.request.get_data()))

    return page


@contextlib.contextmanager
def running(seconds: float = 60.0) -> Iterator[Server]:
    made = listen("127.0.0.1", 0, make_page(), seconds)
    thread = threading.Thread(target=_serve, args=(made,), daemon=True)
    thread.start()
    yield made
    made.pull_trigger()
    made._map.clear()  # the loop ends where nothing is left to look at
    thread.join(30)


def _serve(made: Server) -> None:
    with contextlib.suppress(OSError, ValueError):
        made.run()


def get(made: Server) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{made.effective_port}/", timeout=60) as response:
        return response.read().decode()


def connect(made: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(made.effective_port)), timeout=60)


def is_closed(client: socket.socket) -> bool:
    """Waits for the server to close a connection; False where it sends something instead."""
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("beginning", [b"", b"GET / HT", HEAD % 1000 + b"x"], ids=["nothing", "a line", "an upload"])
def test_many_unfinished_requests_shut_nobody_out(beginning: bytes) -> None:
    with running() as made:
        dripping = [connect(made) for _ in range(3 * server.CONNECTIONS_PER_CLIENT)]
        for client in dripping:
            with contextlib.suppress(OSError):  # it may be closed already, in favour of a later one
                client.sendall(beginning)
        assert get(made) == "here"
        assert is_closed(dripping[0])
        for client in dripping:
            client.close()


def test_an_upload_that_takes_too_long_is_cut_off() -> None:
    with running(seconds=1.0) as made, connect(made) as slow:
        slow.sendall(HEAD % 1000)
        assert is_closed(slow)
        assert get(made) == "here"


def test_uploads_that_together_are_too_large_make_room_for_the_newest() -> None:
    with running() as made:
        body = bytes(900_000)
        clients = [connect(made) for _ in range(2 * server.UPLOADS_HELD)]
        for client in clients:
            with contextlib.suppress(OSError):
                client.sendall(HEAD % (len(body) + 1) + body)
        with contextlib.suppress(OSError):
            clients[-1].sendall(b"x")
        assert b"900001" in answer(clients[-1])
        assert is_closed(clients[0])
        for client in clients:
            client.close()


def answer(client: socket.socket) -> bytes:
    found = b""
    while b"900001" not in found and (more := client.recv(4096)):
        found += more
    return found


def test_a_taken_port_is_explained() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(InputError, match="Pass another --port"):
        listen("127.0.0.1", taken.getsockname()[1], make_page())


@pytest.mark.parametrize(
    ("address", "ours"), [("127.0.0.1", True), ("::1", True), ("0.0.0.0", False), ("fe80::1%eth0", False)]
)
def test_who_can_reach_an_address_is_known(address: str, ours: bool) -> None:
    assert is_loopback(address) is ours
