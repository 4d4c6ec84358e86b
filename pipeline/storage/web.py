"""Pictures of the web: each is fetched once, within limits, and kept in a folder.

Politely: of one host two at a time in a process, and again later, a few times, where it asks for that.
"""

from __future__ import annotations

import errno
import functools
import hashlib
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

from pipeline.storage import files

SECONDS = 60.0  # that a picture may take, all told
_CONNECT, _SILENCE = 5.0, 15.0  # seconds for a connection, and until some more of an answer
_AT_ONCE = 2  # of one host
_RETRIES, _LONGEST_WAIT = 3, 20  # seconds, where a host says when to come back
_PIECE = 2**16
_TRY_AGAIN = (429, 500, 502, 503, 504)


def is_web(path: str) -> bool:
    """Whether a path is a web address."""
    return path.lower().startswith(("http://", "https://"))


class Downloads:
    """Reads files from wherever they are; those of the web from a folder, once they have been fetched into it."""

    def __init__(self, folder: str, most_bytes: int) -> None:
        """`folder`: where they are kept; `most_bytes`: of one, beyond which it is an error."""
        self._folder, self._most = folder, most_bytes

    def read(self, path: str) -> bytes:
        """The bytes of a file.

        Raises:
          OSError: it cannot be read; of the web, with what the host said.
          StorageError: a place that cannot be reached or written to.
        """
        if not is_web(path):
            return files.read(path)
        kept = self.path(path)
        with suppress(FileNotFoundError):
            return files.read(kept)
        data = fetch(path, self._most)
        files.write(kept, [data])
        return data

    def path(self, address: str) -> str:
        """Where what was fetched from an address is kept."""
        name = hashlib.sha256(address.encode()).hexdigest()[:32]
        return files.join(self._folder, name[:2], name)


def fetch(address: str, most_bytes: int) -> bytes:
    """What lies at an address. Raises OSError, whose `strerror` says why it cannot be had."""
    import requests

    deadline = time.monotonic() + SECONDS
    held = bytearray()
    try:
        with (
            _turn(urlsplit(address).netloc),
            _session().get(address, stream=True, timeout=(_CONNECT, _SILENCE)) as answer,
        ):
            if answer.status_code != 200:
                raise _error(address, f"HTTP {answer.status_code} {answer.reason}".strip())
            for piece in answer.iter_content(_PIECE):
                held += piece
                if len(held) > most_bytes:
                    raise _error(address, f"more than {most_bytes:,} bytes")
                if time.monotonic() > deadline:
                    raise _error(address, f"it took more than {SECONDS:.0f} s")
    except requests.RequestException as error:
        raise _error(address, _reason(error)) from error
    return bytes(held)


def _error(address: str, why: str) -> OSError:
    return OSError(errno.EIO, why, address)


def _reason(error: BaseException) -> str:
    """The innermost cause: the outer ones repeat the address and name objects in memory."""
    inner: object = error
    while isinstance(inner, BaseException):
        error = inner
        inner = getattr(error, "reason", None) or next(iter(error.args), None)
    return f"{type(error).__name__}: {str(error).rpartition('>: ')[2] or error}"[:200]


@contextmanager
def _turn(host: str) -> Iterator[None]:
    with _places(host.lower()):
        yield


@functools.cache
def _places(host: str) -> threading.Semaphore:
    return threading.Semaphore(_AT_ONCE)


@functools.cache
def _session() -> Any:
    """Follows redirects to web addresses alone."""
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3 import Retry

    class Patient(Retry):
        def get_retry_after(self, response: Any) -> float | None:
            asked = super().get_retry_after(response)
            return None if asked is None else min(asked, _LONGEST_WAIT)

    logging.getLogger("urllib3").setLevel(logging.ERROR)  # it tells of every retry
    retry = Patient(_RETRIES, backoff_factor=0.5, status_forcelist=_TRY_AGAIN, raise_on_status=False)
    session = requests.Session()
    session.headers["User-Agent"] = "morelli (https://pypi.org/project/morelli)"
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=retry))
    return session
