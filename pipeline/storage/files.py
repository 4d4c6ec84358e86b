"""Reading and writing whole files, on local disks and in object stores (s3://, gs://, az://).

This is the one way in which the project writes a file. It is atomic: bytes go to a temporary name beside the target,
are flushed to the disk, and only then take the final name; then the folder is flushed, so that the name, too, lasts
through a power cut. In an object store a put is atomic by itself, and needs no other name.
"""

from __future__ import annotations

import errno
import io
import os
import shutil
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Self

from pipeline.errors import StorageError
from pipeline.storage import objects
from pipeline.storage.notes import note_once

TEMPORARY = ".tmp-"  # within a temporary name; what a killed build left behind is found by it
_KEPT = 100  # bytes of a name that its temporary name repeats, at its end: file systems allow 255 in all
_NO_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}  # what shares answer to fsync
_AHEAD = 6  # files of an object store that are being read at once
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def is_remote(path: str) -> bool:
    """Whether a path names another file system, as in gs://bucket/folder."""
    return "://" in path


def join(folder: str, *parts: str) -> str:
    """`folder/parts...` on either kind of file system."""
    return "/".join((folder.rstrip("/"), *parts))


def read(path: str) -> bytes:
    """The bytes of a file. Raises OSError; StorageError of a place that cannot be reached."""
    return objects.get(path) if is_remote(path) else Path(path).read_bytes()


def size(path: str) -> int:
    """How many bytes a file has. Raises as `read`."""
    if not is_remote(path):
        return os.stat(path).st_size
    if (found := objects.head(path)) is None:
        raise FileNotFoundError(errno.ENOENT, "there is no such object", path)
    return found.bytes


def read_range(path: str, first: int, count: int) -> bytes:
    """So many bytes of a file, from one on; fewer where it ends before. Raises as `read`."""
    if is_remote(path):
        return objects.get(path, first, count)
    with open(path, "rb") as stream:
        stream.seek(first)
        return stream.read(count)


class ReadAhead:
    """Reads files in an order that is known, for `with`: those that are far away before they are asked for.

    Of a file on this machine's disk, the system is told to fetch the next while one is worked on.
    """

    def __init__(self, paths: Iterable[str], read: Callable[[str], bytes] = read) -> None:
        """`read` gives the bytes of a file."""
        self._left = deque(paths)
        self._read = read
        self._fetched: deque[tuple[str, Future[bytes]]] = deque()
        self._threads = ThreadPoolExecutor(_AHEAD, "ahead") if any(map(is_remote, self._left)) else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._threads:
            self._threads.shutdown(wait=False, cancel_futures=True)

    def read(self, path: str) -> bytes:
        """The bytes of the next of the files; those before it are passed over. Raises what reading does."""
        if self._threads is None:
            while self._left and self._left.popleft() != path:
                pass
            if self._left:
                _will_need(self._left[0])
            return self._read(path)
        while True:
            while self._left and len(self._fetched) < _AHEAD:
                self._fetched.append((self._left[0], self._threads.submit(self._read, self._left.popleft())))
            if not self._fetched:
                return self._read(path)
            fetched, data = self._fetched.popleft()
            if fetched == path:
                return data.result()


def _will_need(path: str) -> None:
    """Lets the system fetch a local file from its disk, where it can, without waiting for it."""
    if not hasattr(os, "posix_fadvise"):  # as on macOS
        return
    with suppress(OSError):  # whoever reads it will say what is wrong
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_WILLNEED)
        finally:
            os.close(descriptor)


@contextmanager
def opened(path: str) -> Iterator[BinaryIO]:
    """A stream of a file's bytes: of an object store, of the whole in memory. Raises what `read` does."""
    with io.BytesIO(read(path)) if is_remote(path) else open(path, "rb") as stream:
        yield stream


def write(path: str | os.PathLike[str], pieces: Iterable[bytes]) -> None:
    """Writes a file that is there whole or not at all; parent folders are made.

    Raises:
      StorageError: the disk is full, or the file cannot be written; nothing is left behind under any name.
    """
    path = os.fspath(path)
    finish(path, start(path, pieces))


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Writes a text as UTF-8, names that are not UTF-8 escaped with backslashes. Raises what `write` does."""
    write(path, [text.encode("utf-8", "backslashreplace")])


def start(path: str, pieces: Iterable[bytes]) -> str:
    """The longer half of `write`, which raises what `write` does: all bytes under a temporary name.

    Returns:
      That name, for `finish`; in an object store, which needs none, the file's own.
    """
    temporary = _temporary(path)
    if is_remote(path):
        _put(path, pieces)
        return path
    with _nothing_left(path, temporary):
        Path(temporary).parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb", buffering=1 << 20) as opened:
            opened.writelines(pieces)
    return temporary


def finish(path: str, temporary: str) -> None:
    """The other half, in any process: waits for the disk and gives a file its name. Raises what `write` does."""
    if is_remote(path):
        return
    with _nothing_left(path, temporary):
        _sync_all(temporary)
        _rename(temporary, path)
        sync(os.path.dirname(path) or ".")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Lends a temporary local path of the same suffix, to libraries that write files, or whole folders, themselves.

    What lies there at the end of the `with` block gets its own name. After an exception it is deleted.

    Raises:
      StorageError: as `write` does, for an OSError of the block that names no other file.
    """
    target, temporary = str(path), _temporary(str(path))
    with _nothing_left(target, temporary):
        path.parent.mkdir(parents=True, exist_ok=True)
        yield Path(temporary)
    finish(target, temporary)


@contextmanager
def stream(path: Path) -> Iterator[BinaryIO]:
    """`replacing` as a stream to write to."""
    with replacing(path) as temporary, temporary.open("wb") as opened:
        yield opened


def _temporary(path: str) -> str:
    """A new name beside a file, which keeps its suffix."""
    name = path.rpartition("/")[2]
    kept = os.fsdecode(os.fsencode(name)[-_KEPT:])
    return f"{path.removesuffix(name)}{TEMPORARY}{uuid.uuid4().hex[:8]}-{kept}"


@contextmanager
def _nothing_left(path: str, temporary: str) -> Iterator[None]:
    """Removes what has the temporary name where writing fails, and says why it did."""
    try:
        yield
    except BaseException as error:
        with suppress(OSError):  # there is none, in a folder that could not be made
            _delete(temporary)
        if not isinstance(error, OSError) or _names_another(error, path, temporary):
            raise
        if error.errno in _NO_ROOM:
            raise StorageError(
                f"No room left to write {path} ({error.strerror}). Free some space, or name a folder on another disk, "
                "and run the same command again: what is finished is kept."
            ) from error
        raise StorageError(f"{path} cannot be written ({error.strerror or error}). Fix that, and run again.") from error


def _names_another(error: OSError, path: str, temporary: str) -> bool:
    """Whether an error is of a file that is neither of these, nor a folder above them."""
    if not isinstance(error.filename, str | bytes):
        return False
    named = os.path.abspath(os.fsdecode(error.filename)).rstrip("/") + "/"
    return not any(f"{os.path.abspath(ours)}/".startswith(named) for ours in (path, temporary))


def _put(path: str, pieces: Iterable[bytes]) -> None:
    try:
        objects.put(path, pieces)
    except OSError as error:
        raise StorageError(f"{path} cannot be written ({error.strerror}). Fix that, and run again.") from error


def _rename(temporary: str, path: str) -> None:
    """Gives a file or a folder its name. A folder cannot take the place of another at once: that one moves away."""
    old = _temporary(path)
    if is_folder := os.path.isdir(temporary):
        with suppress(FileNotFoundError):
            os.rename(path, old)
    os.replace(temporary, path)
    if is_folder and os.path.lexists(old):
        _delete(old)


def _delete(path: str) -> None:
    """Deletes a file, a link, or a folder with all in it."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        os.unlink(path)


def _sync_all(path: str) -> None:
    """Waits until a file, or a folder with all in it, is on the disk."""
    for folder, _, names in os.walk(path):
        for name in names:
            sync(os.path.join(folder, name))
        if folder != path:
            sync(folder)
    sync(path)


def sync(path: str) -> None:
    """Waits until what a file or a folder holds is on the disk, as far as its file system lets one wait."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
        note_once(
            "sync",
            f"the file system of {os.path.abspath(path if os.path.isdir(path) else os.path.dirname(path))} cannot say "
            f"when a file is on its disk ({error.strerror}). A power cut may cost what was written last.",
        )
    finally:
        os.close(descriptor)


def sizes(folder: str) -> dict[str, int]:
    """File name -> bytes, for the files directly in a folder; {} where there is no such folder."""
    if not is_remote(folder):
        try:
            with os.scandir(folder) as entries:
                return {entry.name: entry.stat().st_size for entry in entries if _is_file(entry)}
        except (FileNotFoundError, NotADirectoryError):
            return {}
    return {found.path.rpartition("/")[2]: found.bytes for found in objects.directly_in(folder)}


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link that leads to itself
        return False


def remove(path: str) -> None:
    """Deletes a file that may be there."""
    if is_remote(path):
        objects.delete([path])
    else:
        Path(path).unlink(missing_ok=True)


def remove_tree(folder: str) -> None:
    """Deletes a folder, if it is there, and all in it; of a link to a folder, the link."""
    if is_remote(folder):
        objects.delete([found.path for found in objects.below(folder)])
    elif os.path.lexists(folder):
        _delete(folder)


def remove_temporary(folder: str) -> int:
    """Deletes what a killed build left half-written in a folder; returns how many files."""
    stale = [join(folder, name) for name in sizes(folder) if name.startswith(TEMPORARY)]
    for path in stale:
        remove(path)
    return len(stale)
