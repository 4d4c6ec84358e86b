"""Other commands as processes: watched, logged, and stopped with a signal that lets them save."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from trainer.training.interrupts import Interrupts

_POLL = 1.0  # seconds
_LONGEST = 400  # characters of an error that go into a table
# Lines that say nothing of the matter: TensorFlow's notes about itself, and absl's advice below what is wrong.
_NOISE = re.compile(r"\s*$|[IW]\d{4} \d|WARNING: All log messages before absl|Pass --help")


def launch(
    command: Sequence[str], log: Path, lock: tuple[int, ...], interrupts: Interrupts, waiting: Callable[[], None]
) -> str | None:
    """Runs a command to its end.

    Args:
      command: the program and its arguments.
      log: where its output goes, after what is there.
      lock: of `storage.lock.exclusive`. The command holds it, too, to its own end: a runner that was killed cannot be
        followed by another while what it started still trains.
      interrupts: entered. Once a signal is noted, the command gets SIGTERM, and the time to save its state.
      waiting: called every second.

    Returns:
      None where it succeeded, else why not, in one line.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as stream:
        start = stream.tell()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            pass_fds=lock,
            start_new_session=True,  # a terminal sends Ctrl-C to all of a session; this one is told by us, once
        )
    told = False
    try:
        while True:
            try:
                code = process.wait(_POLL)
                break
            except subprocess.TimeoutExpired:
                if interrupts.signal and not told:
                    process.send_signal(signal.SIGTERM)
                    told = True
                waiting()
    except BaseException:
        process.kill()
        process.wait()
        raise
    if code == 0:
        return None
    with log.open("rb") as written:
        written.seek(start)
        text = written.read().decode("utf-8", "replace")
    return last_words(text, code)


def last_words(text: str, code: int) -> str:
    """Why a command failed, from its output and exit status: its last `Error: ...` line, or else its last line."""
    lines = [line.strip() for line in text.splitlines() if not _NOISE.match(line)]
    if code < 0:
        name = signal.Signals(-code).name
        hint = ", most likely for want of memory" if -code == signal.SIGKILL else ""
        return f"killed by {name}{hint}"
    told = [line for line in lines if re.match(r"error: ", line, re.IGNORECASE)]
    return re.sub(r"^error: ", "", (told or lines or [f"exit status {code}"])[-1], flags=re.IGNORECASE)[:_LONGEST]


def last_line(log: Path) -> str:
    """The last line of a log that says something, "" where there is none."""
    if not log.is_file():
        return ""
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - 4096))
        lines = re.split(r"[\r\n]+", stream.read().decode("utf-8", "replace"))
    return next((line.strip() for line in reversed(lines) if not _NOISE.match(line)), "")
