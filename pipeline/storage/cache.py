"""Copies, on a local disk, of files that are far away, no more than so many bytes of them.

A copy is called by the SHA-256 of its content and is checked against it: by whoever fetches it, and again by each
process that finds it. Several processes may share a folder.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from pipeline.storage import files

_PIECE = 2**20
_WRITING = 3600  # seconds, after which a half-written copy is one that a killed process left


class FileCache:
    """A folder of copies; those that were not used for longest make room."""

    def __init__(self, folder: str | Path, most_bytes: int) -> None:
        """The folder is made when there is something to keep."""
        self._folder, self._most = Path(folder), most_bytes
        self._checked: set[str] = set()

    @contextmanager
    def opened(self, path: str, sha256: str) -> Iterator[BinaryIO]:
        """A stream of a file's bytes, read from where it is if need be. What is kept is what has that hex SHA-256.

        A file that has another is handed out as it is, and not kept: whoever reads it says what is wrong with it.

        Raises:
          OSError, StorageError: the file cannot be read, or the copy not be written.
        """
        with self._kept(sha256) or self._fetch(path, sha256) as stream:
            yield stream

    def _kept(self, sha256: str) -> BinaryIO | None:
        """A copy that is sound; None where there is none."""
        copy = self._folder / sha256
        try:
            stream = copy.open("rb")
        except OSError:
            return None
        if sha256 not in self._checked:
            digest = hashlib.sha256()
            while piece := stream.read(_PIECE):
                digest.update(piece)
            stream.seek(0)
            if digest.hexdigest() != sha256:
                stream.close()
                copy.unlink(missing_ok=True)
                return None
            self._checked.add(sha256)
        with suppress(OSError):  # it may have made room for another
            os.utime(copy)
        return stream

    def _fetch(self, path: str, sha256: str) -> BinaryIO:
        data = files.read(path)
        if hashlib.sha256(data).hexdigest() == sha256 and len(data) <= self._most:
            self._make_room(len(data))
            files.write(self._folder / sha256, [data])
            self._checked.add(sha256)
        return BytesIO(data)

    def _make_room(self, size: int) -> None:
        """Deletes the copies used longest ago, until there is room for so many bytes."""
        copies = []
        with suppress(FileNotFoundError), os.scandir(self._folder) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):  # another process has just deleted it
                    found = entry.stat()
                    half_written = entry.name.startswith(files.TEMPORARY) and time.time() - found.st_mtime < _WRITING
                    if not half_written:
                        copies.append((found.st_mtime, found.st_size, entry.path))
        held = sum(size for _, size, _ in copies)
        for _, bytes_, path in sorted(copies):
            if held + size <= self._most:
                break
            Path(path).unlink(missing_ok=True)
            held -= bytes_
