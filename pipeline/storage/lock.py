"""One build at a time in an output folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import DatasetError
from pipeline.storage import files

LOCK_FILE = ".lock"


@contextmanager
def exclusive(folder: str) -> Iterator[None]:
    """Holds a local folder for this process; the lock goes with the process, however it ends.

    Object stores have no locks: there, two builds at once are the user's to avoid. Builds of the same plan do each
    other no harm even so, since they write the same bytes.

    Raises:
      DatasetError: another build holds it, or it cannot be made or written to.
    """
    if files.is_remote(folder):
        yield
        return
    import fcntl

    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        descriptor = os.open(Path(folder) / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise DatasetError(
            f"Nothing can be written to {folder} ({error.strerror}). Pass a folder of your own as --output_dir."
        ) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 32).decode() or "unknown"
            raise DatasetError(
                f"Another build is writing into {folder} (process {holder}). "
                "Wait until it ends, or pass another --output_dir."
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)
