"""What lies in a folder, on a local disk or in an object store.

Files are listed here, not judged: `pipeline.gallery.find` decides what a listing means.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from pipeline.dataset.rejects import BAD_NAME, BROKEN_LINK, LINK_LOOP, NOT_REGULAR, UNREADABLE
from pipeline.errors import InputError
from pipeline.gallery.kinds import START
from pipeline.storage import files, objects

_LITTER = frozenset({"__MACOSX", "@eaDir"})  # folders that unpacking or a file server leaves; hidden ones go too

_Identity = tuple[int, int]  # of a folder: device, inode


class Status(NamedTuple):
    """Of a file: bytes, and seconds since 1970 of the last change of its content and of its inode; 0 if unknown."""

    bytes: int
    modified: float
    changed: float = 0.0


class File(NamedTuple):
    """A file; `path` is relative to the listed folder, with "/"; the rest as in `Status`."""

    path: str
    bytes: int
    modified: float
    changed: float = 0.0


class Fault(NamedTuple):
    """A file or folder that cannot be read, with its path relative to the listed folder."""

    path: str
    reason: str
    detail: str


class Listing(NamedTuple):
    """All that lies below a folder, in no order.

    Attributes:
      files, faults: what can be read, and what cannot.
      aliases: links to folders that are listed under their own names: (link, folder).
    """

    files: list[File]
    faults: list[Fault]
    aliases: list[tuple[str, str]]


class _Folder(NamedTuple):
    """A folder to be listed: its relative path, and the identity of it and of each folder on the way to it."""

    path: str
    ancestors: tuple[_Identity, ...]


def list_local(root: str) -> Listing:
    """All files below a local folder. Links are followed, but no folder is listed twice.

    Raises:
      InputError: there is no such folder, or it cannot be listed.
    """
    if not os.path.lexists(root):
        raise InputError(f"There is no folder {root}. Pass the folder that holds the paintings as --data_dir.")
    if not os.path.isdir(root):
        raise InputError(
            f"{root} is not a folder. Pass the folder that holds the paintings as --data_dir; "
            "a CSV with the columns path and artist goes to --manifest."
        )
    listing = Listing([], [], [])
    top = os.stat(root)
    seen = {(top.st_dev, top.st_ino): ""}
    folders = [_Folder("", tuple(seen))]
    linked: list[_Folder] = []
    while folders or linked:
        if not folders:  # links come last: a folder that is there under its own name is listed under that
            folder = linked.pop(0)
            if folder.ancestors[-1] in seen:
                listing.aliases.append((folder.path, seen[folder.ancestors[-1]]))
                continue
        else:
            folder = folders.pop()
        seen.setdefault(folder.ancestors[-1], folder.path)
        try:
            with os.scandir(os.path.join(root, folder.path)) as entries:
                for entry in sorted(entries, key=lambda entry: entry.name):
                    path = f"{folder.path}/{entry.name}" if folder.path else entry.name
                    found = _look_at(entry, path, folder.ancestors)
                    if isinstance(found, File):
                        listing.files.append(found)
                    elif isinstance(found, Fault):
                        listing.faults.append(found)
                    elif not _is_litter(entry.name):
                        (linked if entry.is_symlink() else folders).append(_Folder(path, found))
        except OSError as error:
            if not folder.path:
                raise InputError(f"The folder {root} cannot be listed: {error.strerror}.") from error
            detail = f"the folder cannot be listed: {error.strerror}"
            listing.faults.append(Fault(_shown(folder.path), UNREADABLE, detail))
    _name_undecodable(listing)
    return listing


def _name_undecodable(listing: Listing) -> None:
    """Makes faults of the files whose names, or whose folders' names, are not UTF-8: tables cannot hold them."""
    odd = [file for file in listing.files if _is_undecodable(file.path)]
    if odd:
        listing.files[:] = [file for file in listing.files if not _is_undecodable(file.path)]
        listing.faults.extend(
            Fault(_shown(file.path), BAD_NAME, f"its bytes are not UTF-8; {_latin(file.path)}") for file in odd
        )


def _latin(path: str) -> str:
    part = next(part for part in path.split("/") if _is_undecodable(part))
    return (
        f"{os.fsencode(part).decode('latin-1')!r} in Latin-1, perhaps: rename it (convmv -f latin1 -t utf8 -r --notest)"
    )


def _is_undecodable(path: str) -> bool:
    return any("\ud800" <= char <= "\udfff" for char in path)


def _shown(path: str) -> str:
    """A path as text that can be written down."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def undecodable_as_latin(path: str) -> str:
    """A path as `_shown` gives it, its escaped bytes read as Latin-1: what its name may have been."""
    return re.sub(r"\\x([0-9a-f]{2})", lambda match: chr(int(match[1], 16)), path)


def _look_at(
    entry: os.DirEntry[str], path: str, ancestors: tuple[_Identity, ...]
) -> File | Fault | tuple[_Identity, ...]:
    """A file, a fault, or for a folder its own `ancestors`."""
    try:
        status = entry.stat()
    except OSError as error:
        if error.errno == errno.ELOOP:
            return Fault(_shown(path), LINK_LOOP, "the link leads to itself")
        if entry.is_symlink() and error.errno == errno.ENOENT:
            return Fault(_shown(path), BROKEN_LINK, f"it leads to {os.readlink(entry.path)}, which does not exist")
        return Fault(_shown(path), UNREADABLE, error.strerror or type(error).__name__)
    if stat.S_ISREG(status.st_mode):
        return File(path, status.st_size, status.st_mtime, status.st_ctime)
    if not stat.S_ISDIR(status.st_mode):
        return Fault(_shown(path), NOT_REGULAR, "a pipe, socket or device")
    identity = (status.st_dev, status.st_ino)
    if identity in ancestors:
        return Fault(_shown(path), LINK_LOOP, "the link leads back to a folder that it is in")
    return (*ancestors, identity)


def list_remote(root: str) -> Listing:
    """All files below a folder of an object store. Raises InputError where there are none."""
    listing = Listing([], [], [])
    for found in _in_store(root, objects.below):
        path = found.path[len(root) + 1 :]
        *folders, name = path.split("/")
        if name and not any(map(_is_litter, folders)):  # object stores mark empty folders by files without a name
            listing.files.append(File(path, found.bytes, found.modified))
    if not listing.files:
        raise InputError(f"{root} does not exist or is empty. Pass the folder that holds the paintings as --data_dir.")
    return listing


def _in_store(path: str, ask: Callable[[str], Iterable[objects.Found]]) -> list[objects.Found]:
    try:
        return list(ask(path))
    except OSError as error:
        raise InputError(f"{path} cannot be listed: {error.strerror}.") from error


def _is_litter(folder: str) -> bool:
    """Whether a folder of that name holds no paintings."""
    return folder.startswith(".") or folder in _LITTER


def read_start(path: str) -> bytes:
    """The first bytes of a local file, as many as tell a picture; none where it cannot be read."""
    try:
        with open(path, "rb") as stream:
            return stream.read(START)
    except OSError:
        return b""


def statuses(paths: list[str]) -> Iterator[tuple[str, Status]]:
    """(path, status) of those that are files."""
    for path in paths:
        if not files.is_remote(path) and os.path.isfile(path):
            status = os.stat(path)
            yield path, Status(status.st_size, status.st_mtime, status.st_ctime)
    asked = [path for path in paths if files.is_remote(path)]
    for folder in sorted({path.rpartition("/")[0] for path in asked}):  # a request for each folder, not for each file
        there = {found.path: found for found in _in_store(folder, objects.directly_in)}
        for path in asked:
            if path.rpartition("/")[0] == folder and path in there:
                yield path, Status(there[path].bytes, there[path].modified)
