"""Reading and writing whole files, on local disks and on any file system that Beam knows (gs://, s3://, hdfs://).

Local paths never import Beam, so that build workers start fast and stay small. Writes are atomic: bytes go to a
temporary name beside the target, are flushed to the disk, and only then take the final name.
"""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pipeline.errors import DatasetError

TEMPORARY = ".tmp-"  # within a temporary name; what a killed build left behind is found by it


def is_remote(path: str) -> bool:
    """Whether a path names another file system, as in gs://bucket/folder."""
    return "://" in path


def join(folder: str, *parts: str) -> str:
    """`folder/parts...` on either kind of file system."""
    return "/".join((folder.rstrip("/"), *parts))


def _beam() -> Any:
    from apache_beam.io.filesystems import FileSystems

    return FileSystems


def read(path: str) -> bytes:
    """The bytes of a file. Raises OSError."""
    if not is_remote(path):
        return Path(path).read_bytes()
    with _beam().open(path, "application/octet-stream", "uncompressed") as stream:
        return stream.read()


def write(path: str, pieces: Iterable[bytes]) -> None:
    """Writes a file that is there whole or not at all; parent folders are made.

    Raises:
      DatasetError: the disk is full, or the file cannot be written; nothing is left behind under any name.
      OSError: a fault of another file system.
    """
    finish(path, begin(path, pieces))


def begin(path: str, pieces: Iterable[bytes]) -> str:
    """The longer half of `write`, which raises what `write` does: all bytes under a temporary name.

    Returns:
      That name, for `finish`.
    """
    folder, _, name = path.rpartition("/")
    temporary = join(folder or ".", f"{TEMPORARY}{uuid.uuid4().hex[:8]}-{name}")
    (_begin_remote if is_remote(path) else _begin_local)(path, folder or ".", temporary, pieces)
    return temporary


def finish(path: str, temporary: str) -> None:
    """The other half, in any process: waits for the disk and gives a file its name. Raises what `write` does."""
    if is_remote(path):
        systems = _beam()
        if systems.exists(path):
            systems.delete([path])
        systems.rename([temporary], [path])
        return
    with _nothing_left(path, temporary):
        _sync(temporary)
        Path(temporary).replace(path)
        _sync(os.path.dirname(path) or ".")  # so that the name, too, lasts through a power cut


def _begin_local(path: str, folder: str, temporary: str, pieces: Iterable[bytes]) -> None:
    with _nothing_left(path, temporary):
        Path(folder).mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb", buffering=1 << 20) as stream:
            stream.writelines(pieces)


@contextmanager
def _nothing_left(path: str, temporary: str) -> Iterator[None]:
    """Removes the temporary file where writing fails, and says why it did."""
    try:
        yield
    except BaseException as error:
        with suppress(OSError):  # there is none, in a folder that could not be made
            Path(temporary).unlink()
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise DatasetError(
                f"No room left to write {path} ({error.strerror}). Free some space, or pass another --output_dir, "
                "and run the same command again: what is finished is kept."
            ) from error
        if isinstance(error, OSError):
            raise DatasetError(
                f"{path} cannot be written ({error.strerror or error}). Mend that, and run again."
            ) from error
        raise


def _begin_remote(path: str, folder: str, temporary: str, pieces: Iterable[bytes]) -> None:
    systems = _beam()
    if not systems.exists(folder):  # object stores have no folders, and take this as a no-op
        systems.mkdirs(folder)
    with systems.create(temporary, "application/octet-stream", "uncompressed") as stream:
        for piece in pieces:
            stream.write(piece)


def _sync(path: str) -> None:
    """Waits until what a file or a folder holds is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
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
    (match,) = _beam().match([join(folder, "*")])
    found = {meta.path[len(join(folder, "")) :]: meta.size_in_bytes for meta in match.metadata_list}
    return {name: size for name, size in found.items() if "/" not in name}


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link that leads to itself
        return False


def remove(path: str) -> None:
    """Deletes a file that may be there."""
    if is_remote(path):
        _beam().delete([path])
    else:
        Path(path).unlink(missing_ok=True)


def remove_tree(folder: str) -> None:
    """Deletes a folder and all in it."""
    if is_remote(folder):
        (match,) = _beam().match([join(folder, "**")])
        if paths := [meta.path for meta in match.metadata_list]:
            _beam().delete(paths)
    else:
        shutil.rmtree(folder)


def remove_temporary(folder: str) -> int:
    """Deletes what a killed build left half-written in a folder; returns how many files."""
    stale = [join(folder, name) for name in sizes(folder) if name.startswith(TEMPORARY)]
    for path in stale:
        remove(path)
    return len(stale)
