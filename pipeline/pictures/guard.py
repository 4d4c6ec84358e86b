"""How much time and memory may the work on one picture take?

No decoder can be trusted to end: a few hundred kilobytes can hold one for minutes, or ask for gigabytes. Nothing within
a process can stop a decoder that does not return. So the kernel ends the process at the picture's limit of processor
time, and whoever holds the process (`pipeline.workers.guarded`) reads from its note which picture that was, replaces
it, and has the work done again without the picture. Too much memory is refused to the decoder, which mostly survives
it.

Both together cost some twenty microseconds a picture.
"""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pipeline.dataset.rejects import TOO_MANY_BYTES
from pipeline.pictures.fault import ImageError
from pipeline.pictures.limits import DEFAULT_MAX_PIXELS

NOTE_BYTES = 8192  # the longest path, and its length
MAX_SECONDS = 60.0  # of processor time; a sound picture of 100 megapixels takes about two
_MIB_BESIDE_PIXELS = 512
_BYTES_PER_PIXEL = 32  # decoded, turned, brought to sRGB, in its widest form
_FILE_MIB_BESIDE_PIXELS = 64
_FILE_BYTES_PER_PIXEL = 16  # four channels of 32 bits, not compressed


@dataclass(frozen=True, slots=True)
class Limits:
    """Of the work on one picture.

    Attributes:
      seconds: of processor time.
      mib: of memory beside what the process holds when it starts on the picture.
    """

    seconds: float = MAX_SECONDS
    mib: int = _MIB_BESIDE_PIXELS + (_BYTES_PER_PIXEL * DEFAULT_MAX_PIXELS >> 20)


def memory_for(max_pixels: int) -> int:
    """The MiB that suffice for any sound picture of so many pixels."""
    return _MIB_BESIDE_PIXELS + (_BYTES_PER_PIXEL * max_pixels >> 20)


def most_bytes(max_pixels: int) -> int:
    """As many as no file of a picture of so many pixels has."""
    return (_FILE_MIB_BESIDE_PIXELS << 20) + _FILE_BYTES_PER_PIXEL * max_pixels


def check_file_size(size: int, max_pixels: int) -> None:
    """Refuses a file before it is read that is longer than any picture of so many pixels.

    Raises:
      ImageError: it is.
    """
    if size > (most := most_bytes(max_pixels)):
        raise ImageError(
            TOO_MANY_BYTES, f"{size:,} bytes; no picture of at most {max_pixels:,} pixels has more than {most:,}"
        )


class _Guard:
    """What this process was told by whoever holds it; nothing, where nobody does."""

    limits: Limits | None = None
    note: int | None = None  # a file descriptor
    ended: Mapping[str, tuple[str, str]] = {}


_page = os.sysconf("SC_PAGE_SIZE")


def install(limits: Limits, note: str, ended: Mapping[str, tuple[str, str]]) -> None:
    """Holds this process to limits from now on.

    Args:
      limits: of the work on each picture.
      note: folder for a file, named by this process, that names the picture that is worked on.
      ended: name -> (reason, detail) of pictures that have ended a process before; they are not touched again.
    """
    _Guard.limits, _Guard.ended = limits, ended
    _Guard.note = os.open(Path(note, str(os.getpid())), os.O_RDWR | os.O_CREAT, 0o600)
    # All the room it will ever take: a disk that fills up later blames no picture.
    os.pwrite(_Guard.note, bytes(NOTE_BYTES), 0)


def read_note(folder: str, process: int) -> str:
    """The picture that a process was at when it ended; "" for none."""
    try:
        content = Path(folder, str(process)).read_bytes()
    except OSError:
        return ""
    length = int.from_bytes(content[:4], "little")
    return os.fsdecode(content[4 : 4 + length])


@contextmanager
def watching(name: str) -> Iterator[None]:
    """Around all that is done with one picture's bytes.

    Args:
      name: that tells the picture from all others.

    Raises:
      ImageError: the picture has ended a process before.
      MemoryError: it asks for more memory than the limit.
    """
    limits = _Guard.limits
    if limits is None or _Guard.note is None:
        yield
        return
    if name in _Guard.ended:
        raise ImageError(*_Guard.ended[name])
    text = os.fsencode(name)[: NOTE_BYTES - 4]
    before = _limit_memory(limits.mib)
    os.pwrite(_Guard.note, len(text).to_bytes(4, "little") + text, 0)
    signal.setitimer(signal.ITIMER_PROF, limits.seconds)  # its signal ends a process that does not ask for it
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        os.pwrite(_Guard.note, bytes(4), 0)
        if before is not None:
            resource.setrlimit(resource.RLIMIT_DATA, before)


def _limit_memory(mib: int) -> tuple[int, int] | None:
    """Lets this process have so much more than it holds. Returns the limits before; None where there is no such."""
    with suppress(OSError, ValueError, IndexError):  # no /proc: another system than Linux
        with open("/proc/self/statm", "rb") as stream:
            held = int(stream.read().split()[5]) * _page
        soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
        wanted = held + (mib << 20)
        if hard == resource.RLIM_INFINITY or wanted < hard:
            resource.setrlimit(resource.RLIMIT_DATA, (wanted, hard))
            return soft, hard
    return None
