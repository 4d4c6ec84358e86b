"""Standard streams that bear any text: letters that a terminal lacks, control characters, and a reader who has left.

Commands print with `say` and `complain`. What a terminal would take for an order (escape sequences in the name of a
file) is shown escaped, as in Python: \\x1b.
"""

from __future__ import annotations

import codecs
import io
import os
import re
import select
import sys
from typing import TextIO

_ESCAPED = "backslashreplace"
_PATHS = "morelli.paths"
# C0 and C1, and what turns the direction of the text around it; joiners, which some scripts need, are not among them.
_ORDERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def prepare() -> None:
    """Makes the standard streams fit for any text; one that is closed becomes one that nobody reads.

    Call it first: the next file that is opened would get the number of a closed stream, and what is printed.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - open to the end
        _reconfigure(getattr(sys, name), _ESCAPED)


def pass_paths() -> None:
    """Lets paths out on stdout as they came in, byte by byte, for programs that read them there."""
    _reconfigure(sys.stdout, _PATHS)


def _reconfigure(stream: TextIO, errors: str) -> None:
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors=errors)


def _path_bytes(error: UnicodeError) -> tuple[bytes, int]:
    """Bytes of a path that are no text, as they were; other characters that the encoding lacks, escaped."""
    assert isinstance(error, UnicodeEncodeError)
    there = error.object[error.start : error.end]
    return b"".join(_bytes_of(char) for char in there), error.end


def _bytes_of(char: str) -> bytes:
    return bytes([ord(char) - 0xDC00]) if "\udc80" <= char <= "\udcff" else char.encode("ascii", _ESCAPED)


codecs.register_error(_PATHS, _path_bytes)


def printable(text: str) -> str:
    """A text without orders to a terminal."""
    return _ORDERS.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def name(path: str | os.PathLike[str]) -> str:
    """A path on one line, without orders to a terminal."""
    return printable(os.fspath(path)).replace("\n", "\\n").replace("\t", "\\t")


def say(text: object) -> None:
    """Prints to stdout what a person is to read."""
    print(printable(str(text)), flush=True)


def complain(text: object) -> None:
    """Prints to stderr what a person is to read."""
    print(printable(str(text)), file=sys.stderr, flush=True)


def has_lost_reader() -> bool:
    """Whether stdout or stderr is a pipe that nobody reads any more."""
    return bool(_lost())


def discard() -> None:
    """Lets what is still to be written to such a pipe, or to a full disk, vanish: Python would complain at its end."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)


def _lost() -> list[int]:
    poll = select.poll()
    for stream in (sys.stdout, sys.stderr):
        try:
            poll.register(stream.fileno(), 0)
        except (OSError, ValueError):  # it is none of the system's
            continue
    return [number for number, event in poll.poll(0) if event & (select.POLLERR | select.POLLHUP)]
