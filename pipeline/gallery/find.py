"""Which files are paintings, and whose.

Four layouts are known, here with the artist of each painting in angle brackets:

    kaggle    images/images/<Artist>/*.jpg (or images/<Artist>/*.jpg)
    folders   <Artist>/**/*.jpg
    resized   resized/resized/<Artist>_12.jpg (or resized/*.jpg, or the flat folder itself)
    manifest  a CSV with the columns path and artist

`artists.csv` may lie at the top of each. A folder is first listed, on a local disk or on any file system that Beam
knows; what the listing means is then decided from relative paths alone.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal, NamedTuple

from pipeline.dataset.contract import Artist
from pipeline.dataset.rejects import MISSING, NO_ARTIST, TWO_ARTISTS, UNREADABLE, Reject
from pipeline.dataset.schemes import is_scheme
from pipeline.errors import InputError
from pipeline.gallery import listing, names
from pipeline.storage import files

Layout = Literal["kaggle", "folders", "resized", "manifest"]

# Extensions that make a file a candidate, as does having none: what a file really holds is seen when it is opened.
# The second line cannot be decoded, but a painting kept that way deserves a reject with its reason.
_PICTURES = frozenset(
    (
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".bmp", ".dib", ".gif", ".tif", ".tiff"),
        *(".avif", ".heic", ".heif", ".jp2", ".j2k", ".jxl", ".psd", ".svg"),
    )
)
_EXTENSION = re.compile(r"\.[A-Za-z0-9]{1,5}$")  # not "St. Jerome"
_VERSION = re.compile(r"\d+\.\d+\.\d+")
_NUMBERED = re.compile(r"(?P<artist>.+)_\d+$")
_NAMED = 10  # how many names a note spells out


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file that may be a painting.

    Attributes:
      path: absolute, or with its scheme (gs://...).
      artist: name of one of the gallery's artists.
      bytes: size of the file.
      modified: seconds since 1970; 0 where the file system does not say.
    """

    path: str
    artist: str
    bytes: int
    modified: float


@dataclass(frozen=True)
class Gallery:
    """What `find_gallery` found.

    Attributes:
      root: the folder, absolute or with its scheme.
      layout: which of the four.
      candidates: sorted by path.
      rejects: sorted by path.
      artists: those that have candidates, sorted by name.
      notes: sentences that a user should see.
    """

    root: str
    layout: Layout
    candidates: tuple[Candidate, ...]
    rejects: tuple[Reject, ...]
    artists: tuple[Artist, ...]
    notes: tuple[str, ...]


def find_gallery(data_dir: str, manifest: str | None = None) -> Gallery:
    """Finds the paintings of a folder, or those that a manifest names.

    Args:
      data_dir: a local folder, or one such as gs://bucket/paintings.
      manifest: a CSV with the columns path and artist; relative paths are looked for in `data_dir`, then beside it.

    Raises:
      InputError: there is nothing to build from: no such folder, an empty one, none of its files a picture, a
        manifest or an artists.csv that cannot be read.
    """
    root = _absolute(data_dir)
    if manifest is not None:
        return _gallery(root, _read_manifest(manifest, root))
    found = listing.list_remote(root) if files.is_remote(root) else listing.list_local(root)
    return _gallery(root, _sort_out(root, found))


# --- Meaning: which files are paintings, and whose -------------------------------------------------------------------


class _Found(NamedTuple):
    """What a listing or a manifest means, before names are matched with artists.csv."""

    layout: Layout
    candidates: list[Candidate]  # `artist` is repaired
    rejects: list[Reject]
    notes: list[str]


def _sort_out(root: str, found: listing.Listing) -> _Found:
    """Decides the layout and gives each picture its artist. Raises InputError where none has one."""
    pictures = [file for file in found.files if _is_picture(file.path)]
    faults = [fault for fault in found.faults if fault.reason == UNREADABLE or _is_picture(fault.path)]
    layout, prefix = _layout([file.path for file in pictures] or [fault.path for fault in faults])
    candidates, rejects, strays = [], [], []
    for file in pictures:
        if not file.path.startswith(prefix):
            strays.append(file.path)
        elif artist := _artist_of(file.path, layout):
            candidates.append(Candidate(f"{root}/{file.path}", artist, file.bytes, file.modified))
        elif _extension(file.path):  # without one it is a README or a LICENSE
            detail = "its name is not like Artist_12.jpg" if layout == "resized" else "it lies in no artist's folder"
            rejects.append(Reject(f"{root}/{file.path}", "", NO_ARTIST, detail))
    for fault in faults:
        if fault.path.startswith(prefix):
            artist = _artist_of(fault.path, layout)
            rejects.append(Reject(f"{root}/{fault.path}", artist, fault.reason, fault.detail))
    others = Counter(
        _kind(file.path) for file in found.files if not _is_picture(file.path) and file.path != names.ARTISTS_CSV
    )
    if not candidates:
        raise InputError(_nothing_found(root, others, rejects))
    notes = _notes_on_files(root, prefix, [file.path for file in pictures], strays, others)
    return _Found(layout, candidates, rejects, list(notes))


def _notes_on_files(
    root: str, prefix: str, pictures: Sequence[str], strays: Sequence[str], others: Counter[str]
) -> Iterator[str]:
    named = [path for path in strays if _extension(path)]  # not a README or a LICENSE
    copies = sum(path.startswith("resized/") for path in named)
    if copies:
        yield f"resized/ was left out: its {copies:,} files are copies of the paintings in images/."
    if elsewhere := len(named) - copies:
        yield f"Pictures outside {prefix} were left out: {elsewhere:,}."
    deeper = min((path.partition("/images/images/")[0] for path in pictures if "/images/images/" in path), default="")
    if deeper:
        yield (
            f"The folders in {root} were taken for artists, but {deeper} is laid out as Kaggle's set is; "
            f"to build from it pass --data_dir={root}/{deeper}."
        )
    if others:
        yield f"Files that are no pictures by their names were left out: {_tally(others)}."


def _layout(paths: Sequence[str]) -> tuple[Layout, str]:
    """The layout that these relative paths of pictures show, and the prefix below which its paintings lie."""
    if any(path.startswith("images/") for path in paths):
        return "kaggle", "images/"
    if any(path.startswith("resized/") for path in paths):
        return "resized", "resized/"
    if not any("/" in path for path in paths):
        return "resized", ""
    return "folders", ""


def _artist_of(path: str, layout: Layout) -> str:
    """The repaired name of the artist to whom the layout gives a relative path; "" for nobody."""
    *folders, name = path.split("/")
    wrapper = {"kaggle": "images", "resized": "resized"}.get(layout)
    for _ in range(2):
        if folders and folders[0] == wrapper:
            folders.pop(0)
    if folders:
        return names.repair(folders[0])
    numbered = _NUMBERED.match(_EXTENSION.sub("", name))
    return names.repair(numbered["artist"]) if layout == "resized" and numbered else ""


def _extension(path: str) -> str:
    """The extension in lower case with its dot; "" where there is none."""
    found = _EXTENSION.search(path.rpartition("/")[2])
    return found[0].lower() if found else ""


def _kind(path: str) -> str:
    """What a file is by its name, for a tally: "of a dataset", "hidden", or its extension."""
    if _is_of_a_dataset(path):
        return "of a dataset"
    return "hidden" if path.rpartition("/")[2].startswith(".") else _extension(path)


def _is_of_a_dataset(path: str) -> bool:
    """Whether a file lies in what a build into this folder left."""
    folders = path.split("/")[:-1]
    return any(_VERSION.fullmatch(below) and is_scheme(above) for above, below in pairwise(folders))


def _is_picture(path: str) -> bool:
    return (kind := _kind(path)) == "" or kind in _PICTURES


def _read_manifest(manifest: str, root: str) -> _Found:
    """The paintings that a manifest names; each path counts once."""
    manifest = _absolute(manifest)
    beside = manifest.rpartition("/")[0]
    try:
        table = list(csv.reader(io.StringIO(files.read(manifest).decode("utf-8-sig"), newline="")))
    except OSError as error:
        raise InputError(f"The manifest {manifest} cannot be read: {error.strerror or error}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"The manifest {manifest} is not a CSV file in UTF-8: {error}.") from error
    header = [cell.strip().lower() for cell in table[0]] if table else []
    if not {"path", "artist"} <= set(header):
        raise InputError(
            f"The manifest {manifest} needs the columns path and artist. Columns found: {', '.join(header) or 'none'}."
        )
    rows = [dict(zip(header, cells, strict=False)) for cells in table[1:]]
    options = {  # path as given -> where it may lie
        given: [given] if files.is_remote(given) or os.path.isabs(given) else [f"{root}/{given}", f"{beside}/{given}"]
        for given in (row.get("path", "").strip() for row in rows)
        if given
    }
    known = dict(listing.statuses([path for paths in options.values() for path in paths]))
    artists: dict[str, set[str]] = defaultdict(set)  # path -> artists
    for row in rows:
        if paths := options.get(row.get("path", "").strip()):
            path = next((path for path in paths if path in known), paths[0])
            artists[path].add(names.repair(row.get("artist", "")))
    candidates, rejects = [], []
    for path, owners in artists.items():
        artist = " / ".join(sorted(owners))
        if path not in known:
            rejects.append(Reject(path, artist, MISSING, "no such file, nor one of that name beside the manifest"))
        elif len(owners) > 1:
            rejects.append(Reject(path, artist, TWO_ARTISTS, "the manifest names it under several artists"))
        elif not artist:
            rejects.append(Reject(path, "", NO_ARTIST, "the manifest's artist cell is empty"))
        else:
            candidates.append(Candidate(path, artist, *known[path]))
    if not candidates:
        raise InputError(_nothing_found(manifest, Counter(), rejects))
    return _Found("manifest", candidates, rejects, [])


def _absolute(path: str) -> str:
    """A path that stays valid in another working directory."""
    return path.rstrip("/") if files.is_remote(path) else os.path.abspath(os.path.expanduser(path))


# --- The gallery, and what a user should be told ---------------------------------------------------------------------


def _gallery(root: str, found: _Found) -> Gallery:
    """Matches names with artists.csv and adds what there is to say about it."""
    table = _read_table(root)
    match = names.match((candidate.artist for candidate in found.candidates), table)
    candidates = [
        candidate if artist.name == candidate.artist else replace(candidate, artist=artist.name)
        for candidate in found.candidates
        for artist in [match.artists[candidate.artist]]
    ]
    artists = sorted(set(match.artists.values()), key=lambda artist: artist.name)
    return Gallery(
        root=root,
        layout=found.layout,
        candidates=tuple(sorted(candidates, key=lambda candidate: candidate.path)),
        rejects=tuple(sorted(found.rejects, key=lambda reject: reject.path)),
        artists=tuple(artists),
        notes=(*found.notes, *_notes_on_artists(artists, table, match)),
    )


def _read_table(root: str) -> list[Artist]:
    """The artists of artists.csv; none where there is no such file."""
    path = f"{root}/{names.ARTISTS_CSV}"
    if not dict(listing.statuses([path])):
        return []
    try:
        return names.read_artists_csv(files.read(path).decode("utf-8-sig"), path)
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 ({error}). Save it as UTF-8, or remove it.") from error


def _notes_on_artists(artists: Sequence[Artist], table: Sequence[Artist], match: names.Match) -> Iterator[str]:
    if len(artists) == 1:
        yield f"Only one artist, {artists[0].name}, has images here: a classifier needs at least two."
    if match.absent:
        absent = [artist.name for artist in match.absent]
        listed = f"{len(absent)} of the {len(table)} artists" if len(absent) > 3 else "some artists"
        yield f"No images were found of {listed} in {names.ARTISTS_CSV}: {_spell(absent)}."
    if table and match.unknown:
        yield f"Not in {names.ARTISTS_CSV}, kept without years, genre and nationality: {_spell(match.unknown)}."
    alike = defaultdict(list)
    for artist in artists:
        alike[names.fold(artist.name)].append(artist.name)
    for same in alike.values():
        if len(same) > 1:
            yield f"{_spell(same)} are kept apart though they may be one artist; give them one spelling if they are."


def _nothing_found(where: str, others: Counter[str], rejects: Sequence[Reject]) -> str:
    """The sentences of an InputError."""
    advice = (
        "Expected a folder per artist with pictures in it (JPEG, PNG, WebP, BMP, GIF, TIFF), or Kaggle's layout as "
        "python -m pipeline.download --output=DIR fetches it."
    )
    if rejects:
        reasons = _tally(Counter(reject.reason for reject in rejects))
        first = f"{rejects[0].path}: {rejects[0].detail}"
        return f"None of the pictures of {where} can be used: {reasons} (the first is {first}). {advice}"
    if others:
        unpack = "Unpack the archive first. " if others.keys() & {".zip", ".tar", ".gz", ".tgz", ".7z", ".rar"} else ""
        return f"{where} holds no pictures, only other files: {_tally(others)}. {unpack}{advice}"
    return f"{where} is empty. {advice}"


def _tally(counts: Counter[str]) -> str:
    """For example ".txt 3, hidden 1"."""
    return ", ".join(
        f"{kind} {count:,}" for kind, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    )


def _spell(items: Sequence[str]) -> str:
    """For example "A, B and C"; of more than ten, the first ten and how many more."""
    if len(items) > _NAMED + 1:
        return f"{', '.join(items[:_NAMED])} and {len(items) - _NAMED} more"
    return " and ".join(part for part in (", ".join(items[:-1]), items[-1]) if part)
