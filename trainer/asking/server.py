"""A web server for one machine's page that no client can keep from the others.

Waitress, with what it lacks: a request must arrive whole within a time, a client may hold only so many connections,
and all that is being received together stays within a limit of memory. Where there are too many, the connection that
has waited longest for its request is closed in favour of the new one, so that dripping uploads shut nobody out. Nothing
is put into temporary files, which a full disk would fail.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable
from typing import Any

import flask
from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer

from pipeline.errors import InputError

REQUEST_SECONDS = 60.0  # in which a request must have arrived
CONNECTIONS_PER_CLIENT = 32
CONNECTIONS = 256
UPLOAD_MIB = 32
UPLOADS_HELD = 8  # times the largest upload: memory for requests that are being received
THREADS = 12  # more than pictures are asked about at once: the page itself is always answered


class Channel(HTTPChannel):
    """A connection that knows since when, and with how many bytes, its request is arriving."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.since = time.monotonic()
        self.held = 0  # bytes

    def received(self, data: bytes) -> Any:
        """Called by waitress with each piece of a request."""
        if self.request is None:
            self.since, self.held = time.monotonic(), 0
        self.held += len(data)
        result = super().received(data)
        if self.request is None:  # it is whole, and goes to a thread
            self.since, self.held = time.monotonic(), 0
        self.server.make_room()
        return result

    @property
    def is_waiting(self) -> bool:
        """Whether no request of it is being answered: closing it loses no work."""
        return not self.requests and not self.total_outbufs_len


class Server(TcpWSGIServer):
    """See the module; `seconds` is REQUEST_SECONDS but in tests."""

    channel_class = Channel

    def __init__(self, page: flask.Flask, host: str, port: int, seconds: float = REQUEST_SECONDS) -> None:
        upload = int(page.config["MAX_CONTENT_LENGTH"])
        self._seconds, self._room = seconds, UPLOADS_HELD * upload
        super().__init__(
            page,
            host=host,
            port=port,
            threads=THREADS,
            # Beyond this not even our own refusal is worth the reading.
            max_request_body_size=4 * upload,
            inbuf_overflow=4 * upload + 1,
            outbuf_overflow=64 << 20,
            connection_limit=2 * CONNECTIONS,
            channel_timeout=max(1, int(seconds)),
            cleanup_interval=max(1, int(seconds / 4)),
            asyncore_loop_timeout=0.5,
            asyncore_use_poll=True,
            ident=None,
        )

    def run(self) -> None:
        """Serves until an exception, such as Ctrl-C's, ends it; what is being computed is not waited for."""
        self.asyncore.loop(timeout=self.adj.asyncore_loop_timeout, map=self._map, use_poll=True)

    def handle_accept(self) -> None:
        """Called by waitress for each new connection."""
        super().handle_accept()
        self.make_room()

    def maintenance(self, now: float) -> None:
        """Called by waitress now and then: closes connections whose request takes too long to arrive."""
        super().maintenance(now)
        latest = time.monotonic() - self._seconds
        for channel in self._waiting():
            if channel.since < latest:
                channel.will_close = True

    def make_room(self) -> None:
        """Closes the connections that have waited longest where there are more, or larger ones, than may be."""
        waiting = sorted(self._waiting(), key=lambda channel: channel.since)
        clients: dict[str, int] = {}
        for channel in self.active_channels.values():
            clients[channel.addr[0]] = clients.get(channel.addr[0], 0) + 1
        total, held = sum(clients.values()), sum(channel.held for channel in waiting)
        for channel in waiting[:-1]:  # never the newest
            client = channel.addr[0]
            too_much = held > self._room and channel.held
            if clients[client] > CONNECTIONS_PER_CLIENT or total > CONNECTIONS or too_much:
                clients[client] -= 1
                total, held = total - 1, held - channel.held
                channel.handle_close()

    def _waiting(self) -> Iterable[Channel]:
        return [channel for channel in self.active_channels.values() if channel.is_waiting]


def listen(host: str, port: int, page: flask.Flask, seconds: float = REQUEST_SECONDS) -> Server:
    """A server of that page, listening; `effective_port` says where. Raises InputError where it cannot."""
    try:
        address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][4][0]  # of a name with several, the first
        return Server(page, str(address), port, seconds)
    except OSError as error:
        raise InputError(f"Cannot listen on {host}:{port}: {error.strerror}. Pass another --port, or 0.") from error
