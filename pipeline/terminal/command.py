"""How a command ends, whatever ends it: with a status that shells know, one line, and nothing left behind.

0      done                                1      a fault, said in a sentence
2      wrong flags                         129    SIGHUP: the terminal is gone
130    Ctrl-C                              141    nobody reads its output any more (| head -1)
143    SIGTERM
"""

from __future__ import annotations

import functools
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from pipeline.errors import MorelliError
from pipeline.terminal import streams

RESUMES = "The same command resumes from here."
_ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SCRIPTS = "morelli-"
Main = Callable[[list[str] | None], int | None]


class Stopped(KeyboardInterrupt):
    """A signal asked for an end. What was opened is closed on the way out, as after Ctrl-C, which is one of them."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.signal = number


def command(after_stop: str = "") -> Callable[[Main], Callable[..., int]]:
    """A decorator for the `main(argv)` of a command, which then returns the exit status and raises nothing.

    Args:
      after_stop: a sentence on what a user may do after a signal has ended it.
    """

    def decorate(main: Main) -> Callable[..., int]:
        @functools.wraps(main)
        def ending(argv: list[str] | None = None) -> int:
            return run(lambda: main(argv), after_stop)

        return ending

    return decorate


def run(work: Callable[[], int | None], after_stop: str = "") -> int:
    """Does the work of a command and returns its exit status; see `command`."""
    streams.prepare()
    caught: list[int] = []
    try:
        try:
            with _raised(caught):
                status = _status(work)
                sys.stdout.flush()
        except KeyboardInterrupt as stop:
            caught.append(getattr(stop, "signal", signal.SIGINT))
        except Exception:
            if not caught:  # else it is what a library, or a process that got the signal, too, made of it
                raise
        return _stopped(caught[0], after_stop) if caught else status
    except MorelliError as error:
        return _fail(str(error))
    except OSError as error:
        if streams.has_lost_reader():
            streams.discard()
            return 128 + signal.SIGPIPE
        return _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))


def _status(work: Callable[[], int | None]) -> int:
    try:
        return work() or 0
    except SystemExit as end:  # of argparse and absl
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        return _fail(str(end.code))


def _fail(text: str) -> int:
    streams.discard()
    streams.complain(f"error: {text}")
    return 1


def _stopped(number: int, after_stop: str) -> int:
    why = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
    fresh = "\n" if sys.stderr is not None and sys.stderr.isatty() else ""  # after the ^C that a terminal shows
    streams.complain(f"{fresh}Stopped by {why}. {after_stop}".rstrip())
    return 128 + number


def expect_signals() -> None:
    """Has signals end this process in the same way before `run` is called and after it: imports may take seconds.

    Called when a package is imported by `python -m` or by a command's script, and not by another program.
    """
    if sys.argv[:1] != ["-m"] and not os.path.basename(sys.argv[0]).startswith(_SCRIPTS):
        return
    for number in _ENDS:
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _leave)


def _leave(number: int, frame: FrameType | None) -> None:
    os._exit(_stopped(number, ""))  # nothing is open yet, or any more


@contextmanager
def _raised(caught: list[int]) -> Iterator[None]:
    """Lets signals that ask for an end raise `Stopped` in the main thread, and keeps their numbers.

    A signal that is ignored stays so (nohup). A second SIGTERM or Ctrl-C acts at once; of SIGHUP there often are two.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: dict[int, Any] = {}

    def stop(number: int, frame: FrameType | None) -> None:
        caught.append(number)
        signal.signal(number, signal.SIG_IGN if number == signal.SIGHUP else before[number])
        raise Stopped(number)

    for number in _ENDS:
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler, _leave):
            before[number] = signal.signal(number, stop)
    try:
        yield
    finally:
        for restored, handler in before.items():
            signal.signal(restored, handler)
