"""What lies in a folder, on a local disk or on any file system that Beam knows.

Files are listed here, not judged: `pipeline.gallery.find` decides what a listing means. Local folders need no Beam.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from typing import Any, NamedTuple

from pipeline.dataset.rejects import BAD_NAME, BROKEN_LINK, LINK_LOOP, NOT_REGULAR, UNREADABLE
from pipeline.errors import InputError
from pipeline.storage import files

_LITTER = frozenset({"__MACOSX", "@eaDir"})  # folders that unpacking or a file server leaves; hidden ones go too

_Identity = tuple[int, int]  # of a folder: device, inode


class File(NamedTuple):
    """A file; `path` is relative to the listed folder, with "/", and `modified` in seconds since 1970, 0 if unknown."""

    path: str
    bytes: int
    modified: float


class Fault(NamedTuple):
    """A file or folder that cannot be read, with its path relative to the listed folder."""

    path: str
    reason: str
    detail: str


class Listing(NamedTuple):
    """All that lies below a folder, in no order."""

    files: list[File]
    faults: list[Fault]


def list_local(root: str) -> Listing:
    """All files below a local folder, links followed unless they lead back to a folder they are in."""
    if not os.path.lexists(root):
        raise InputError(f"There is no folder {root}. Pass the folder that holds the paintings as --data_dir.")
    if not os.path.isdir(root):
        raise InputError(
            f"{root} is not a folder. Pass the folder that holds the paintings as --data_dir; "
            "a CSV with the columns path and artist goes to --manifest."
        )
    listing = Listing([], [])
    top = os.stat(root)
    # Relative path, and the identity of each folder on the way to it.
    folders: list[tuple[str, tuple[_Identity, ...]]] = [("", ((top.st_dev, top.st_ino),))]
    while folders:
        folder, ancestors = folders.pop()
        try:
            with os.scandir(os.path.join(root, folder)) as entries:
                for entry in entries:
                    path = f"{folder}/{entry.name}" if folder else entry.name
                    found = _look_at(entry, path, ancestors)
                    if isinstance(found, File):
                        listing.files.append(found)
                    elif isinstance(found, Fault):
                        listing.faults.append(found)
                    elif not _is_litter(entry.name):
                        folders.append((path, found))
        except OSError as error:
            if not folder:
                raise InputError(f"The folder {root} cannot be listed: {error.strerror}.") from error
            listing.faults.append(Fault(folder, UNREADABLE, f"the folder cannot be listed: {error.strerror}"))
    return listing


def _look_at(
    entry: os.DirEntry[str], path: str, ancestors: tuple[_Identity, ...]
) -> File | Fault | tuple[_Identity, ...]:
    """A file, a fault, or for a folder its own `ancestors`."""
    if any("\ud800" <= char <= "\udfff" for char in entry.name):
        shown = os.fsencode(path).decode("utf-8", "backslashreplace")
        return Fault(shown, BAD_NAME, "its bytes are not UTF-8; rename it")
    try:
        status = entry.stat()
    except OSError as error:
        if error.errno == errno.ELOOP:
            return Fault(path, LINK_LOOP, "the link leads to itself")
        if entry.is_symlink() and error.errno == errno.ENOENT:
            return Fault(path, BROKEN_LINK, f"it leads to {os.readlink(entry.path)}, which does not exist")
        return Fault(path, UNREADABLE, error.strerror or type(error).__name__)
    if stat.S_ISREG(status.st_mode):
        return File(path, status.st_size, status.st_mtime)
    if not stat.S_ISDIR(status.st_mode):
        return Fault(path, NOT_REGULAR, "a pipe, socket or device")
    identity = (status.st_dev, status.st_ino)
    if identity in ancestors:
        return Fault(path, LINK_LOOP, "the link leads back to a folder that it is in")
    return (*ancestors, identity)


def list_remote(root: str) -> Listing:
    """All files below a folder of a file system that Beam knows."""
    listing = Listing([], [])
    for meta in _match([_literal(root) + "/**"])[0]:
        path = meta.path[len(root) + 1 :]
        *folders, name = path.split("/")
        if name and not any(map(_is_litter, folders)):  # object stores mark empty folders by files without a name
            listing.files.append(File(path, meta.size_in_bytes, meta.last_updated_in_seconds or 0.0))
    if not listing.files:
        raise InputError(f"{root} does not exist or is empty. Pass the folder that holds the paintings as --data_dir.")
    return listing


def _literal(path: str) -> str:
    """A pattern of Beam's that matches this path alone."""
    return re.sub(r"([\[*?])", r"[\1]", path)


def _match(patterns: list[str]) -> list[list[Any]]:
    """Beam's file metadata for each pattern. Raises InputError where the file system cannot be reached."""
    from apache_beam.io.filesystem import BeamIOError
    from apache_beam.io.filesystems import FileSystems

    try:
        return [result.metadata_list for result in FileSystems.match(patterns)]
    except (BeamIOError, ValueError) as error:  # ValueError: no file system for this scheme is installed
        details = getattr(error, "exception_details", None)
        cause = next(iter(details.values())) if details else error
        raise InputError(
            f"{patterns[0]} cannot be listed: {cause}. gs:// needs pip install 'morelli[gcp]' and "
            "gcloud auth application-default login; s3:// needs pip install 'morelli[aws]' and AWS credentials."
        ) from error


def _is_litter(folder: str) -> bool:
    """Whether a folder of that name holds no paintings."""
    return folder.startswith(".") or folder in _LITTER


def statuses(paths: list[str]) -> Iterator[tuple[str, tuple[int, float]]]:
    """(path, (bytes, modified)) of those that are files."""
    for path in paths:
        if not files.is_remote(path) and os.path.isfile(path):
            status = os.stat(path)
            yield path, (status.st_size, status.st_mtime)
    remote = [path for path in paths if files.is_remote(path)]
    for path, metas in zip(remote, _match([_literal(path) for path in remote]) if remote else [], strict=True):
        for meta in metas:
            yield path, (meta.size_in_bytes, meta.last_updated_in_seconds or 0.0)
