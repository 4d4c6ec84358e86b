"""What runners and their clients log: kept back while all is well, and in a file to look at where it was not."""

from __future__ import annotations

import logging
import os
import re
import tempfile
import textwrap
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, suppress

_KEPT = 2000  # records
_LONGEST = 300  # characters of somebody else's fault that are shown
_OURS = re.compile(r"pipeline\.errors\.\w+: (.+?)(?= \[while running|\n|\\n|$)")  # in a traceback that is sent as text


class KeptLog(logging.Handler):
    """Keeps the last warnings and errors of a process, and what it prints to stderr."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        self._lines: deque[str] = deque(maxlen=_KEPT)

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps a record."""
        self._lines.append(self.format(record))

    def write(self, text: str) -> None:
        """Keeps what is printed."""
        self._lines.extend(text.splitlines())

    def our_fault(self) -> str:
        """The last of our own faults that it holds; "" where there is none."""
        return our_fault("\n".join(self._lines))

    def save(self) -> str:
        """Writes it to a file of the system's folder for such; returns its path, "" where that cannot be or is none."""
        path = ""
        if self._lines:
            with suppress(OSError):
                number, path = tempfile.mkstemp(
                    prefix="morelli-runner-", suffix=".log", dir=os.environ.get("TMPDIR", "/tmp")
                )
                with open(number, "w", encoding="utf-8", errors="backslashreplace") as stream:
                    stream.writelines(f"{line}\n" for line in self._lines)
        return path


@contextmanager
def kept_back(*own_handlers: str) -> Iterator[KeptLog]:
    """Keeps what this process logs, or prints to stderr, from the terminal.

    `own_handlers` are names of loggers that print by themselves, whatever the root logger does.
    """
    log, root = KeptLog(), logging.getLogger()
    loggers = [root, *map(logging.getLogger, own_handlers)]
    before = [(logger, logger.handlers, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.handlers, logger.propagate = [], True
    root.addHandler(log)
    try:
        with redirect_stderr(log):  # type: ignore[type-var]  # it is written to and flushed, no more
            yield log
    finally:
        for logger, handlers, propagate in before:
            logger.handlers, logger.propagate = handlers, propagate


def our_fault(text: str) -> str:
    """The last of our own faults in a text, such as a traceback that a runner has sent; "" where there is none."""
    return next(reversed(_OURS.findall(text)), "")


def in_a_sentence(error: BaseException) -> str:
    """What somebody else's exception says, without the tracebacks that are in its text."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    last = lines[-1] if lines else "it gives no reason"
    return textwrap.shorten(f"{type(error).__name__}: {last}", _LONGEST, placeholder=" ...")
