"""Which files are paintings, and whose.

A folder is first listed, on a local disk or in an object store; what the listing means is then decided
from relative paths, and from the first bytes of files whose names do not tell (`kinds`, `layouts`). Or a manifest names
the paintings (`manifest`). `artists.csv` may lie at the top of the folder.
"""

from __future__ import annotations

import functools
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from pipeline.dataset.contract import Artist
from pipeline.dataset.rejects import BAD_NAME, NO_ARTIST, Reject
from pipeline.errors import InputError
from pipeline.gallery import kinds, layouts, listing, names
from pipeline.gallery.layouts import Layout, Reading
from pipeline.gallery.manifest import read_manifest
from pipeline.gallery.sorting import picture_faults, sort_listing, tally
from pipeline.storage import files
from pipeline.storage.many import Many

_NAMED = 10  # how many names a note spells out
_MOST_LEFT_OUT = 0.5  # share of the pictures that a layout may leave out


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file that may be a painting.

    Attributes:
      path: absolute, or with its scheme (gs://...).
      artist: name of one of the gallery's artists.
      bytes: size of the file.
      modified, changed: seconds since 1970 of the last change of its content and of its inode; 0 where the file system
        does not say.
      split: one of SPLITS, where the folder or the manifest gives it; else "".
    """

    path: str
    artist: str
    bytes: int
    modified: float
    changed: float = 0.0
    split: str = ""


@dataclass(frozen=True)
class Gallery:
    """What `find_gallery` found.

    Attributes:
      root: the folder, absolute or with its scheme.
      layout: of the folder, or "manifest".
      candidates: by path; each is made of the listing anew whenever they are asked for.
      rejects: sorted by path.
      artists: those that have candidates, sorted by name.
      notes: sentences that a user should see.
      gives_splits: whether every candidate has a split that a manifest gives it.
    """

    root: str
    layout: str
    candidates: Many[Candidate]
    rejects: tuple[Reject, ...]
    artists: tuple[Artist, ...]
    notes: tuple[str, ...]
    gives_splits: bool = False


def find_gallery(
    data_dir: str, manifest: str | None = None, layout: Layout | None = None, scratch: Path | None = None
) -> Gallery:
    """Finds the paintings of a folder, or those that a manifest names.

    Args:
      data_dir: a local folder, or one such as gs://bucket/paintings.
      manifest: a CSV with the columns path and artist; see `read_manifest`.
      layout: how the folder is laid out; None to find out.
      scratch: a folder for what is listed, which must stay while candidates are asked for; None to hold all in memory.

    Raises:
      InputError: there is nothing to build from: no such folder, an empty one, none of its files a picture, a layout
        that cannot be told, a manifest or an artists.csv that cannot be read.
    """
    root = _absolute(data_dir)
    table = _read_table(root)
    repair = functools.partial(names.repair, known=frozenset(names.fold(artist.name) for artist in table))
    if manifest is not None:
        return _gallery(root, table, _of_manifest(_absolute(manifest), root, repair))
    found = listing.list_remote(root, scratch) if files.is_remote(root) else listing.list_local(root, scratch)
    return _gallery(root, table, _of_folder(root, found, layout, repair, scratch))


# --- Meaning: which files are paintings, and whose -------------------------------------------------------------------


class _Found(NamedTuple):
    """What a listing or a manifest means, before names are matched with artists.csv."""

    layout: str
    artists: Set[str]  # as the names of folders are repaired
    candidates: Callable[[Mapping[str, Artist]], Many[Candidate]]  # once these names are matched
    rejects: list[Reject]
    notes: list[str]
    gives_splits: bool = False


@dataclass
class _Seen:
    """What a layout makes of the pictures of a listing.

    Attributes:
      artists: how many pictures each has.
      homeless: pictures that lie where no artist's are.
      copies: how many lie in resized/, below no artists.
      strays: how many others lie outside the layout's folder, and the first of them.
      deeper: the first folder that is itself laid out as Kaggle's set.
    """

    artists: Counter[str] = field(default_factory=Counter)
    homeless: list[Reject] = field(default_factory=list)
    copies: int = 0
    strays: int = 0
    first_stray: str = ""
    deeper: str = ""


class _Candidates:
    """The candidates among pictures, each made when it is asked for, so that none is held."""

    def __init__(
        self, root: str, pictures: Many[listing.File], count: int, reading: Reading, artist_of: Callable[[str], str]
    ) -> None:
        self._root, self._pictures, self._count = root, pictures, count
        self._reading, self._artist_of = reading, artist_of

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Candidate]:
        for file in self._pictures:
            if file.path.startswith(self._reading.prefix) and (artist := self._artist_of(file.path)):
                split = self._reading.split_of(file.path)
                yield Candidate(f"{self._root}/{file.path}", artist, file.bytes, file.modified, file.changed, split)


def _of_folder(
    root: str, found: listing.Listing, asked: Layout | None, repair: Callable[[str], str], scratch: Path | None
) -> _Found:
    """Decides the layout and gives each picture its artist. Raises InputError where none has one."""
    pictures, others = sort_listing(root, found, scratch, known=(names.ARTISTS_CSV,))
    faults = picture_faults(found)
    if not len(pictures) and not faults:
        raise InputError(_nothing_found(root, others, []))
    reading = layouts.read_layout(_Paths(pictures) if len(pictures) else [fault.path for fault in faults], root, asked)
    repaired = functools.lru_cache(maxsize=10_000)(repair)
    seen = _look_through(root, pictures, reading, repaired)
    rejects = seen.homeless + [
        Reject(f"{root}/{fault.path}", _owner(fault, reading, repair), fault.reason, fault.detail)
        for fault in faults
        if fault.path.startswith(reading.prefix)
    ]
    if not seen.artists:
        raise InputError(_nothing_found(root, others, rejects))
    _refuse_if_most_are_left_out(root, reading, seen)
    notes = [*reading.notes, *_notes_on_files(root, reading, seen, others, found.aliases)]

    def candidates(artists: Mapping[str, Artist]) -> Many[Candidate]:
        def artist_of(path: str) -> str:
            name = repaired(reading.artist_of(path))
            return artists[name].name if name else ""

        some = _Candidates(root, pictures, seen.artists.total(), reading, artist_of)
        return some if scratch else tuple(some)

    return _Found(reading.layout, seen.artists.keys(), candidates, rejects, notes)


class _Paths:
    """Those of files."""

    def __init__(self, some: Many[listing.File]) -> None:
        self._files = some

    def __len__(self) -> int:
        return len(self._files)

    def __iter__(self) -> Iterator[str]:
        return (file.path for file in self._files)


def _look_through(root: str, pictures: Many[listing.File], reading: Reading, repair: Callable[[str], str]) -> _Seen:
    seen = _Seen()
    for path in _Paths(pictures):
        if "/images/images/" in path:
            folder = path.partition("/images/images/")[0]
            seen.deeper = min(seen.deeper or folder, folder)
        if not path.startswith(reading.prefix):
            if path.startswith("resized/"):
                seen.copies += 1
            else:
                seen.strays += 1
                seen.first_stray = seen.first_stray or path
        elif artist := repair(reading.artist_of(path)):
            seen.artists[artist] += 1
        else:
            flat = reading.layout == "flat"
            detail = "its name is not like Artist_12.jpg" if flat else "it lies in no artist's folder"
            seen.homeless.append(Reject(f"{root}/{path}", "", NO_ARTIST, detail))
    return seen


def _owner(fault: listing.Fault, reading: Reading, repair: Callable[[str], str]) -> str:
    """Whose what cannot be read would have been: for a link or a folder in the place of an artist's, that artist's."""
    path = listing.undecodable_as_latin(fault.path) if fault.reason == BAD_NAME else fault.path
    artist = reading.artist_of(path)
    if not artist and reading.layout != "flat" and not kinds.extension(path):
        artist = reading.artist_of(f"{path}/x")
    return repair(artist)


def _refuse_if_most_are_left_out(root: str, reading: Reading, seen: _Seen) -> None:
    """Raises InputError where a layout has no place for most of the pictures."""
    homeless = len(seen.homeless) + seen.strays
    if homeless > _MOST_LEFT_OUT * (seen.artists.total() + homeless):
        first = seen.homeless[0].path if seen.homeless else f"{root}/{seen.first_stray}"
        raise InputError(
            f"{root} looks laid out as “{reading.layout}”, but {homeless:,} of its "
            f"{seen.artists.total() + homeless:,} pictures have no place in that layout (the first is {first}). Pass "
            f"another --layout ({', '.join(layouts.LAYOUTS)}), or --manifest, a CSV with the columns path and artist."
        )


def _notes_on_files(
    root: str, reading: Reading, seen: _Seen, others: Counter[str], aliases: Sequence[tuple[str, str]]
) -> Iterator[str]:
    if seen.copies:
        where = reading.prefix.partition("/")[0] or "the artists' folders"
        yield f"resized/ was left out: its {seen.copies:,} files are copies of the paintings in {where}/."
    if seen.strays:
        yield f"Pictures outside {reading.prefix.partition('/')[0]}/ were left out: {seen.strays:,}."
    if seen.deeper:
        yield (
            f"The folders in {root} were taken for artists, but {seen.deeper} is laid out as Kaggle's set is; "
            f"to build from it pass --data_dir={root}/{seen.deeper}."
        )
    for link, folder in aliases:
        yield f"{link} leads to {folder or root}, whose pictures are listed there, and was left out."
    if others:
        yield f"Files that are no pictures by their names were left out: {tally(others)}."


def _of_manifest(manifest: str, root: str, repair: Callable[[str], str]) -> _Found:
    """The paintings that a manifest names; each path counts once."""
    named, rejects, notes, gives_splits = read_manifest(manifest, root, repair)
    if not named:
        raise InputError(_nothing_found(manifest, Counter(), rejects))
    if gives_splits:
        notes.append("The manifest's column split was kept: no splits are made.")

    def candidates(artists: Mapping[str, Artist]) -> Many[Candidate]:
        return tuple(
            Candidate(each.path, artists[each.artist].name, *each.status, each.split)
            for each in sorted(named, key=lambda each: each.path)
        )

    return _Found("manifest", {each.artist for each in named}, candidates, rejects, notes, gives_splits)


def _absolute(path: str) -> str:
    """A path that stays valid in another working directory."""
    return path.rstrip("/") if files.is_remote(path) else os.path.abspath(os.path.expanduser(path))


# --- The gallery, and what a user should be told ---------------------------------------------------------------------


def _gallery(root: str, table: Sequence[Artist], found: _Found) -> Gallery:
    """Matches names with artists.csv and adds what there is to say about it."""
    match = names.match(found.artists, table)
    rejected = names.match((reject.artist for reject in found.rejects if reject.artist), table).artists
    rejects = [
        replace(reject, artist=rejected[reject.artist].name) if reject.artist in rejected else reject
        for reject in found.rejects
    ]
    artists = sorted(set(match.artists.values()), key=lambda artist: artist.name)
    return Gallery(
        root=root,
        layout=found.layout,
        candidates=found.candidates(match.artists),
        rejects=tuple(sorted(rejects, key=lambda reject: reject.path)),
        artists=tuple(artists),
        notes=(*found.notes, *_notes_on_artists(artists, table, match)),
        gives_splits=found.gives_splits,
    )


def _read_table(root: str) -> list[Artist]:
    """The artists of artists.csv; none where there is no such file."""
    path = f"{root}/{names.ARTISTS_CSV}"
    if not dict(listing.statuses([path])):
        return []
    return names.read_artists_csv(files.read(path), path)


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
        "Expected a folder per artist with pictures in it (JPEG, PNG, WebP, AVIF, BMP, GIF, TIFF), or Kaggle's layout "
        "as python -m pipeline.download --output=DIR fetches it."
    )
    if rejects:
        reasons = tally(Counter(reject.reason for reject in rejects))
        first = f"{rejects[0].path}: {rejects[0].detail}"
        return f"None of the pictures of {where} can be used: {reasons} (the first is {first}). {advice}"
    if others:
        unpack = "Unpack the archive first. " if others.keys() & {".zip", ".tar", ".gz", ".tgz", ".7z", ".rar"} else ""
        return f"{where} holds no pictures, only other files: {tally(others)}. {unpack}{advice}"
    return f"{where} is empty. {advice}"


def _spell(items: Sequence[str]) -> str:
    """For example "A, B and C"; of more than ten, the first ten and how many more."""
    if len(items) > _NAMED + 1:
        return f"{', '.join(items[:_NAMED])} and {len(items) - _NAMED} more"
    return " and ".join(part for part in (", ".join(items[:-1]), items[-1]) if part)
