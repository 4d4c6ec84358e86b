"""Which paintings does a manifest name, and whose? A CSV with columns path, artist, perhaps split."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from pipeline.dataset.rejects import MISSING, NO_ARTIST, TWO_ARTISTS, Reject
from pipeline.errors import InputError
from pipeline.gallery import listing
from pipeline.gallery.layouts import split_of_name
from pipeline.gallery.tables import read_table
from pipeline.storage import files
from pipeline.storage.objects import PLACES
from pipeline.storage.web import is_web

_DRIVE = re.compile(r"[A-Za-z]:[\\/]")


@dataclass(frozen=True, slots=True)
class Named:
    """A file that a manifest names, once.

    Attributes:
      path: absolute, or with its scheme (gs://...).
      artist: as the manifest spells it.
      split: one of SPLITS; "" where the manifest gives none.
      status: of `listing.statuses`.
    """

    path: str
    artist: str
    split: str
    status: listing.Status


def read_manifest(
    manifest: str, root: str, repair: Callable[[str], str]
) -> tuple[list[Named], list[Reject], list[str], bool]:
    """Reads a manifest.

    Args:
      manifest: its path. Relative paths in it are looked for in `root`, then beside it, as they are spelled, then in
        other Unicode forms and with the slashes of Windows, and last with other capitals.
      root: the folder of paintings.
      repair: makes a name as a person would write it.

    Returns:
      The files that are there, a reject for each other row, sentences that a user should see, and whether it gives
      splits.

    Raises:
      InputError: it cannot be read, or a line of it cannot be understood.
    """
    try:
        data = files.read(manifest)
    except OSError as error:
        raise InputError(f"The manifest {manifest} cannot be read: {error.strerror or error}.") from error
    header, rows = read_table(data, f"The manifest {manifest}", ("path", "artist"))
    for row in rows:
        where = f"The manifest {manifest}, line {row.line}"
        if not row.cells["path"]:
            raise InputError(f"{where}: the path is empty.")
        _check_address(row.cells["path"], where)
    finder = _Finder(root, manifest.rpartition("/")[0])
    finder.look_for([row.cells["path"] for row in rows])
    gives_splits = "split" in header
    owners: dict[str, set[str]] = defaultdict(set)
    splits: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        given = row.cells["path"]
        path = finder.found.get(given, given)
        owners[path].add(repair(row.cells["artist"]))
        if gives_splits:
            splits[path].add(_split(row.cells["split"], f"The manifest {manifest}, line {row.line}"))
    named, rejects = [], []
    for path, artists in owners.items():
        artist = " / ".join(sorted(artists))
        if path not in finder.known:
            rejects.append(Reject(path, artist, MISSING, _why_missing(path)))
        elif len(artists) > 1:
            rejects.append(Reject(path, artist, TWO_ARTISTS, "the manifest names it under several artists"))
        elif not artist:
            rejects.append(Reject(path, "", NO_ARTIST, "the manifest's artist cell is empty"))
        elif len(splits[path]) > 1:
            rejects.append(Reject(path, artist, TWO_ARTISTS, "the manifest puts it into several splits"))
        else:
            named.append(Named(path, artist, "".join(splits[path]), finder.known[path]))
    return named, rejects, list(finder.notes()), gives_splits


def _split(cell: str, where: str) -> str:
    if split := split_of_name(cell):
        return split
    raise InputError(f"{where}: expected the split train, validation or test. Received {cell or 'nothing'!r}.")


def _check_address(path: str, where: str) -> None:
    """Raises InputError for an address of a kind that is not read."""
    scheme = path.partition("://")[0].lower() if files.is_remote(path) else ""
    if scheme and scheme not in (*PLACES, "file", "http", "https"):
        raise InputError(f"{where}: {scheme}:// is no address that pictures can be read from ({path}).")


def _why_missing(path: str) -> str:
    if _DRIVE.match(path):
        return "a path of Windows, with a drive: name the file relative to --data_dir"
    return "no such file, nor one of that name beside the manifest"


class _Finder:
    """Finds the files that a manifest's paths mean.

    Attributes:
      found: path as given -> where the file lies.
      known: status of each of these files, by where it lies.
    """

    def __init__(self, root: str, beside: str) -> None:
        self._bases = list(dict.fromkeys((root, beside)))
        self.found: dict[str, str] = {}
        self.known: dict[str, listing.Status] = {}
        self._capitals: list[str] = []

    def look_for(self, given: Sequence[str]) -> None:
        """Fills `found` and `known`."""
        options = {path: list(dict.fromkeys(self._options(path))) for path in dict.fromkeys(given) if path}
        asked = [option for paths in options.values() for option in paths]
        self.known = dict(listing.statuses([option for option in asked if not is_web(option)]))
        # Whether it is there is found out when it is fetched.
        self.known |= {option: listing.Status(0, 0.0) for option in asked if is_web(option)}
        missing = []
        for path, paths in options.items():
            there = next((option for option in paths if option in self.known), None)
            if there is not None:
                self.found[path] = there
            else:
                missing.append(path)
                self.found[path] = paths[0]
        if missing:
            self._look_closer(missing)

    def _options(self, path: str) -> Iterator[str]:
        if path.lower().startswith("file://"):
            yield unquote(urlsplit(path).path)
            return
        if files.is_remote(path):
            yield path
            return
        spellings = [path, *([path.replace("\\", "/")] if "\\" in path and not _DRIVE.match(path) else [])]
        for spelling in spellings:
            for form in (spelling, unicodedata.normalize("NFC", spelling), unicodedata.normalize("NFD", spelling)):
                if os.path.isabs(form) or _DRIVE.match(form):
                    yield form
                else:
                    yield from (f"{base}/{form.removeprefix('./')}" for base in self._bases)

    def _look_closer(self, missing: Sequence[str]) -> None:
        """Looks among all files of the folders: names may be composed in one part and decomposed in another."""
        composed: dict[str, str] = {}
        folded: dict[str, list[str]] = defaultdict(list)
        for base in self._bases:
            if files.is_remote(base) or not os.path.isdir(base):
                continue
            for file in listing.list_local(base).files:
                path = f"{base}/{file.path}"
                composed.setdefault(unicodedata.normalize("NFC", path), path)
                folded[unicodedata.normalize("NFC", path).casefold()].append(path)
        for path in missing:
            for option in self._options(path):
                form = unicodedata.normalize("NFC", option)
                alike = list(dict.fromkeys(folded.get(form.casefold(), ())))
                there = composed.get(form) or (alike[0] if len(alike) == 1 else None)
                if there is None:
                    continue
                if form not in composed:
                    self._capitals.append(path)
                self.found[path] = there
                self.known |= dict(listing.statuses([there]))
                break

    def notes(self) -> Iterator[str]:
        """What a user should know of how files were found."""
        if self._capitals:
            yield (
                f"{len(self._capitals):,} files of the manifest were found under names with other capitals, such as "
                f"{self._capitals[0]}."
            )
