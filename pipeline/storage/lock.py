"""One command at a time in a folder."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.errors import StorageError
from pipeline.storage import files
from pipeline.storage.notes import note_once

LOCK_FILE = ".lock"
_NO_LOCKS = {errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOLCK, errno.EINVAL}  # what clusters answer


@contextmanager
def exclusive(
    folder: str | os.PathLike[str], who: str = "Another build", flag: str = "--output_dir", *, wait: bool = False
) -> Iterator[tuple[int, ...]]:
    """Holds a local folder, made if it is missing, for this process; the lock goes with it, however it ends.

    Object stores have no locks: there, two builds at once are the user's to avoid. Builds of the same plan do each
    other no harm even so, since they write the same bytes.

    Args:
      folder: to hold.
      who: may hold it already, as the subject of a sentence.
      flag: what names the folder.
      wait: until whoever holds it has ended.

    Yields:
      File descriptors. A process that is given them (subprocess's `pass_fds`) holds the folder, too, to its own end.

    Raises:
      StorageError: another process holds it, or it cannot be made or written to.
    """
    folder = os.fspath(folder)
    if files.is_remote(folder):
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
