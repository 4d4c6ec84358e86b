"""What lies in a folder, on a local disk or in an object store.

Files are listed here, not judged: `pipeline.gallery.find` decides what a listing means.
"""

from __future__ import annotations

import errno
import heapq
import os
import re
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from pipeline.dataset.rejects import BAD_NAME, BROKEN_LINK, LINK_LOOP, NOT_REGULAR, UNREADABLE
from pipeline.errors import InputError
from pipeline.gallery.kinds import START
from pipeline.storage import files, objects
from pipeline.storage.many import Many, hold

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
    """All that lies below a folder.

    Attributes:
      files: what can be read, by path.
      faults: what cannot.
      aliases: links to folders that are listed under their own names: (link, folder).
    """

    files: Many[File]
    faults: list[Fault]
    aliases: list[tuple[str, str]]


class _Folder(NamedTuple):
    """A folder to be listed: its relative path, and the identity of it and of each folder on the way to it."""

    path: str
    ancestors: tuple[_Identity, ...]


def list_local(root: str, scratch: Path | None = None) -> Listing:
    """All files below a local folder. Links are followed, but no folder is listed twice.

    Args:
      root: the folder.
      scratch: a folder for what is listed; None to hold it in memory.

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
    walk = _Walk(root)
    top = os.stat(root)
    series = [_hold(walk.below(_Folder("", ((top.st_dev, top.st_ino),))), scratch, 0)]
    while walk.linked:  # links come last: a folder that is there under its own name is listed under that
        folder = walk.linked.pop(0)
        if folder.ancestors[-1] in walk.seen:
            walk.aliases.append((folder.path, walk.seen[folder.ancestors[-1]]))
        else:
            series.append(_hold(walk.below(folder), scratch, len(series)))
    together = heapq.merge(*series, key=lambda file: file.path)
    found = series[0] if len(series) == 1 else _hold(together, scratch, len(series))
    return Listing(found, walk.faults, walk.aliases)


def _hold(found: Iterable[File], scratch: Path | None, number: int) -> Many[File]:
    return hold(found, File, scratch / f"listed-{number}" if scratch else None)


class _Walk:
    """What is met below a folder.

    Attributes:
      faults, aliases: as of a listing.
      seen: identity of a folder -> its path.
      linked: links to folders, which are still to be listed.
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self.faults: list[Fault] = []
        self.aliases: list[tuple[str, str]] = []
        self.seen: dict[_Identity, str] = {}
        self.linked: list[_Folder] = []

    def below(self, top: _Folder) -> Iterator[File]:
        """The files of a folder and of those in it, by path. Of one folder at a time all names are in memory."""
        stack = [self._names(top)]
        while stack:
            step = next(stack[-1], None)
            if step is None:
                stack.pop()
                continue
            folder, name = step
            path = f"{folder.path}/{name}" if folder.path else name
            found = _look_at(os.path.join(self._root, path), path, folder.ancestors)
            if isinstance(found, File):
                if not _is_undecodable(path):
                    yield found
                else:  # tables cannot hold such a name
                    self.faults.append(Fault(_shown(path), BAD_NAME, f"its bytes are not UTF-8; {_latin(path)}"))
            elif isinstance(found, Fault):
                self.faults.append(found)
            elif not _is_litter(name):
                if os.path.islink(os.path.join(self._root, path)):
                    self.linked.append(_Folder(path, found))
                else:
                    stack.append(self._names(_Folder(path, found)))

    def _names(self, folder: _Folder) -> Iterator[tuple[_Folder, str]]:
        self.seen.setdefault(folder.ancestors[-1], folder.path)
        try:
            with os.scandir(os.path.join(self._root, folder.path)) as entries:
                # As the paths of what is in a folder are ordered, which have a slash after its name.
                names = sorted(f"{entry.name}/" if _is_folder(entry) else entry.name for entry in entries)
        except OSError as error:
            if not folder.path:
                raise InputError(f"The folder {self._root} cannot be listed: {error.strerror}.") from error
            detail = f"the folder cannot be listed: {error.strerror}"
            self.faults.append(Fault(_shown(folder.path), UNREADABLE, detail))
            return
        for name in names:
            yield folder, name.removesuffix("/")


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads nowhere
        return False


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


def _look_at(place: str, path: str, ancestors: tuple[_Identity, ...]) -> File | Fault | tuple[_Identity, ...]:
    """A file, a fault, or for a folder its own `ancestors`; `path` is what it is called below the listed folder."""
    try:
        status = os.stat(place)
    except OSError as error:
        if error.errno == errno.ELOOP:
            return Fault(_shown(path), LINK_LOOP, "the link leads to itself")
        if error.errno == errno.ENOENT and os.path.islink(place):
            return Fault(_shown(path), BROKEN_LINK, f"it leads to {os.readlink(place)}, which does not exist")
        return Fault(_shown(path), UNREADABLE, error.strerror or type(error).__name__)
    if stat.S_ISREG(status.st_mode):
        return File(path, status.st_size, status.st_mtime, status.st_ctime)
    if not stat.S_ISDIR(status.st_mode):
        return Fault(_shown(path), NOT_REGULAR, "a pipe, socket or device")
    identity = (status.st_dev, status.st_ino)
    if identity in ancestors:
        return Fault(_shown(path), LINK_LOOP, "the link leads back to a folder that it is in")
    return (*ancestors, identity)


def list_remote(root: str, scratch: Path | None = None) -> Listing:
    """All files below a folder of an object store; as `list_local`. Raises InputError where there are none."""
    listed = _hold(_below(root), scratch, 0)
    if not len(listed):
        raise InputError(f"{root} does not exist or is empty. Pass the folder that holds the paintings as --data_dir.")
    return Listing(listed, [], [])


def _below(root: str) -> Iterator[File]:
    """By path, as every store lists."""
    try:
        for found in objects.below(root):
            path = found.path[len(root) + 1 :]
            *folders, name = path.split("/")
            if name and not any(map(_is_litter, folders)):  # stores mark empty folders by files without a name
                yield File(path, found.bytes, found.modified)
    except OSError as error:
        raise _unlisted(root, error) from error


def _unlisted(place: str, error: OSError) -> InputError:
    return InputError(f"{place} cannot be listed: {error.strerror}.")


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
        try:
            there = {found.path: found for found in objects.directly_in(folder)}
        except OSError as error:
            raise _unlisted(folder, error) from error
        for path in asked:
            if path.rpartition("/")[0] == folder and path in there:
                yield path, Status(there[path].bytes, there[path].modified)
