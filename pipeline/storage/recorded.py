"""Files whose paths stand in a table that somebody else may have written: opened where they are what was recorded."""

from __future__ import annotations

import hashlib
import os
import re
import stat

_DIGEST = re.compile(r"[0-9a-f]{16,64}")  # less of a SHA-256 could be met by trying
_MOST = 1 << 30  # bytes of a file that is read for a small picture of it


def read_recorded(path: str, below: str, digest: str) -> bytes | None:
    """The bytes of a file of this machine; None where it is not there any more, or not what was recorded.

    A table can name any file of this machine, a pipe, or a device that never ends. So only regular files are opened,
    and of them only those below one folder; and nothing is handed on that whoever wrote the table has not seen.

    Args:
      path: of the file.
      below: the folder that it must lie in, at any depth; in "" there is nothing.
      digest: at least 16 hex digits of its SHA-256, from the first on.
    """
    folder, wanted = os.path.normpath(below), os.path.normpath(path)
    if not (below and os.path.isabs(folder) and wanted.startswith(folder.rstrip("/") + "/")):
        return None
    if not _DIGEST.fullmatch(digest):
        return None
    try:
        data = _read_regular(wanted)
    except (OSError, ValueError):  # a null byte in a path is a ValueError
        return None
    return data if data is not None and hashlib.sha256(data).hexdigest().startswith(digest) else None


def _read_regular(path: str) -> bytes | None:
    """The bytes of a regular file, None for anything else. What lies there may change between two looks at it."""
    if not stat.S_ISREG(os.stat(path).st_mode):  # opening a device can do things already
        return None
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as opened:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size > _MOST:
            return None
        data = opened.read(_MOST + 1)
    return data if len(data) <= _MOST else None
