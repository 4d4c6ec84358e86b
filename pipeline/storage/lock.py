"""One command at a time in a folder.

On a local disk the kernel holds the lock, and lets go of it with the process. In an object store it is an object that
its holder renews, and that anybody may take over who finds it unrenewed for a minute.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.errors import StorageError
from pipeline.storage import files, objects
from pipeline.storage.notes import note_once

LOCK_FILE = ".lock"
LEASE, _RENEWAL = 60.0, 15.0  # seconds
_NO_LOCKS = {errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOLCK, errno.EINVAL}  # what clusters answer


@contextmanager
def exclusive(
    folder: str | os.PathLike[str], who: str = "Another build", flag: str = "--output_dir", *, wait: bool = False
) -> Iterator[tuple[int, ...]]:
    """Holds a local folder, made if it is missing, for this process; the lock goes with it, however it ends.

    Args:
      folder: to hold.
      who: may hold it already, as the subject of a sentence.
      flag: what names the folder.
      wait: until whoever holds it has ended.

    Yields:
      File descriptors. A process that is given them (subprocess's `pass_fds`) holds the folder, too, to its own end. Of
      an object store there are none.

    Raises:
      StorageError: another process holds it, or it cannot be made or written to.
    """
    folder = os.fspath(folder)
    if files.is_remote(folder):
        with _leased(files.join(folder, LOCK_FILE), folder, who, flag):
            yield ()
        return
    descriptor = _open(folder, flag)
    try:
        _lock(descriptor, folder, who, flag, wait)
        with suppress(OSError):  # a full disk takes no number, and the lock holds all the same
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield (descriptor,)
    finally:
        os.close(descriptor)


@contextmanager
def _leased(path: str, folder: str, who: str, flag: str) -> Iterator[None]:
    """Holds an object store's folder for a `with` block. Raises StorageError where somebody else does."""
    holder = f"process {os.getpid()} on {socket.gethostname()}, {uuid.uuid4().hex[:8]}"
    try:
        objects.put(path, [holder.encode()], new=True)
    except FileExistsError:
        _take_over(path, holder, folder, who, flag)
    except OSError as error:
        raise StorageError(f"Nothing can be written to {folder} ({error.strerror}). Pass another {flag}.") from error
    ended = threading.Event()

    def renew() -> None:
        while not ended.wait(_RENEWAL):
            with suppress(OSError, StorageError):  # a store that cannot be reached now may be in time for the next
                objects.put(path, [holder.encode()])

    renewing = threading.Thread(target=renew, name="lease", daemon=True)
    renewing.start()
    try:
        yield
    finally:
        ended.set()
        renewing.join()
        with suppress(OSError, StorageError):  # it is taken over in a minute
            objects.delete([path])


def _take_over(path: str, holder: str, folder: str, who: str, flag: str) -> None:
    there = objects.head(path)
    try:
        if there is None:  # its holder has just ended
            objects.put(path, [holder.encode()], new=True)
        elif time.time() - there.modified > LEASE:
            objects.put(path, [holder.encode()], instead_of=there)
        else:
            raise FileExistsError
    except FileExistsError:
        held_by = "it has just ended"
        with suppress(FileNotFoundError):
            held_by = objects.get(path)[:200].decode(errors="replace")
        raise StorageError(
            f"{who} is writing into {folder} ({held_by}). Wait until it ends, or a minute after it was killed; or pass "
            f"another {flag}."
        ) from None


def _open(folder: str, flag: str) -> int:
    """The lock file. What it leads to, were it a link, is not ours to lock, and less to write to."""
    path = Path(folder) / LOCK_FILE
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        files.sync(folder)  # a file system that cannot is told of here, before work is done in it
        how = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        descriptor = os.open(path, how, 0o644)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise StorageError(f"{path} is a link, and no lock of this project. Delete it.") from error
        raise StorageError(
            f"Nothing can be written to {folder} ({error.strerror}). Pass a folder of your own as {flag}."
        ) from error
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
        os.close(descriptor)
        raise StorageError(f"{path} is a link or a device, and no lock of this project. Delete it.")
    return descriptor


def _lock(descriptor: int, folder: str, who: str, flag: str, wait: bool) -> None:
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        holder = os.read(descriptor, 32).decode(errors="replace") or "unknown"
        raise StorageError(
            f"{who} is writing into {folder} (process {holder}). Wait until it ends, or pass another {flag}."
        ) from None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise StorageError(f"{folder} cannot be locked ({error.strerror}). Pass another {flag}.") from error
        note_once(
            "lock",
            f"{folder} lies on a file system without locks ({error.strerror}). Nothing keeps a second command out of "
            "it: start one at a time.",
        )
