"""Which files are paintings, and whose.

A folder is first listed, on a local disk or in an object store; what the listing means is then decided
from relative paths, and from the first bytes of files whose names do not tell (`kinds`, `layouts`). Or a manifest names
the paintings (`manifest`). `artists.csv` may lie at the top of the folder.
"""

from __future__ import annotations

import functools
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from pipeline.dataset.contract import Artist
from pipeline.dataset.rejects import BAD_NAME, NO_ARTIST, Reject
from pipeline.errors import InputError
from pipeline.gallery import kinds, layouts, listing, names
from pipeline.gallery.layouts import Layout, Reading
from pipeline.gallery.manifest import read_manifest
from pipeline.gallery.sorting import picture_faults, sort_listing, tally
from pipeline.storage import files

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
      candidates: sorted by path.
      rejects: sorted by path.
      artists: those that have candidates, sorted by name.
      notes: sentences that a user should see.
      gives_splits: whether every candidate has a split that a manifest gives it.
    """

    root: str
    layout: str
    candidates: tuple[Candidate, ...]
    rejects: tuple[Reject, ...]
    artists: tuple[Artist, ...]
    notes: tuple[str, ...]
    gives_splits: bool = False


def find_gallery(data_dir: str, manifest: str | None = None, layout: Layout | None = None) -> Gallery:
    """Finds the paintings of a folder, or those that a manifest names.

    Args:
      data_dir: a local folder, or one such as gs://bucket/paintings.
      manifest: a CSV with the columns path and artist; see `read_manifest`.
      layout: how the folder is laid out; None to find out.

    Raises:
      InputError: there is nothing to build from: no such folder, an empty one, none of its files a picture, a layout
        that cannot be told, a manifest or an artists.csv that cannot be read.
    """
    root = _absolute(data_dir)
    table = _read_table(root)
    repair = functools.partial(names.repair, known=frozenset(names.fold(artist.name) for artist in table))
    if manifest is not None:
        return _gallery(root, table, _of_manifest(_absolute(manifest), root, repair))
    found = listing.list_remote(root) if files.is_remote(root) else listing.list_local(root)
    return _gallery(root, table, _of_folder(root, found, layout, repair))


# --- Meaning: which files are paintings, and whose -------------------------------------------------------------------


class _Found(NamedTuple):
    """What a listing or a manifest means, before names are matched with artists.csv."""

    layout: str
    candidates: list[Candidate]  # `artist` is repaired
    rejects: list[Reject]
    notes: list[str]
    gives_splits: bool = False


def _of_folder(root: str, found: listing.Listing, asked: Layout | None, repair: Callable[[str], str]) -> _Found:
    """Decides the layout and gives each picture its artist. Raises InputError where none has one."""
    sorted_out = sort_listing(root, found)
    pictures = sorted_out.pictures
    faults = picture_faults(found)
    others = Counter(word for path, word in sorted_out.others.items() if path != names.ARTISTS_CSV)
    if not pictures and not faults:
        raise InputError(_nothing_found(root, others, []))
    reading = layouts.read_layout(pictures or [fault.path for fault in faults], root, asked)
    candidates, rejects, strays = [], [], []
    for file in _take(found.files):
        path = file.path
        if path in sorted_out.others:
            continue
        if not path.startswith(reading.prefix):
            strays.append(path)
        elif artist := repair(reading.artist_of(path)):
            split = reading.split_of(path)
            candidates.append(Candidate(f"{root}/{path}", artist, file.bytes, file.modified, file.changed, split))
        else:
            flat = reading.layout == "flat"
            detail = "its name is not like Artist_12.jpg" if flat else "it lies in no artist's folder"
            rejects.append(Reject(f"{root}/{path}", "", NO_ARTIST, detail))
    for fault in faults:
        if fault.path.startswith(reading.prefix):
            rejects.append(Reject(f"{root}/{fault.path}", _owner(fault, reading, repair), fault.reason, fault.detail))
    if not candidates:
        raise InputError(_nothing_found(root, others, rejects))
    _refuse_if_most_are_left_out(root, reading, len(candidates), rejects, strays)
    notes = [*reading.notes, *_notes_on_files(root, reading, pictures, strays, others, found.aliases)]
    return _Found(reading.layout, candidates, rejects, notes)


def _take(found: list[listing.File]) -> Iterator[listing.File]:
    """Files by path; each leaves the list, for a million of them beside as many candidates are 300 MiB."""
    found.sort(reverse=True)
    while found:
        yield found.pop()


def _owner(fault: listing.Fault, reading: Reading, repair: Callable[[str], str]) -> str:
    """Whose what cannot be read would have been: for a link or a folder in the place of an artist's, that artist's."""
    path = listing.undecodable_as_latin(fault.path) if fault.reason == BAD_NAME else fault.path
    artist = reading.artist_of(path)
    if not artist and reading.layout != "flat" and not kinds.extension(path):
        artist = reading.artist_of(f"{path}/x")
    return repair(artist)


def _refuse_if_most_are_left_out(
    root: str, reading: Reading, taken: int, rejects: Sequence[Reject], strays: Sequence[str]
) -> None:
    """Raises InputError where a layout has no place for most of the pictures."""
    homeless = sum(reject.reason == NO_ARTIST for reject in rejects)
    homeless += sum(not path.startswith("resized/") for path in strays)
    if homeless > _MOST_LEFT_OUT * (taken + homeless):
        first = next((reject.path for reject in rejects if reject.reason == NO_ARTIST), f"{root}/{(*strays, '')[0]}")
        raise InputError(
            f"{root} looks laid out as “{reading.layout}”, but {homeless:,} of its {taken + homeless:,} pictures have "
            f"no place in that layout (the first is {first}). Pass another --layout ({', '.join(layouts.LAYOUTS)}), or "
            "--manifest, a CSV with the columns path and artist."
        )


def _notes_on_files(
    root: str,
    reading: Reading,
    pictures: Sequence[str],
    strays: Sequence[str],
    others: Counter[str],
    aliases: Sequence[tuple[str, str]],
) -> Iterator[str]:
    copies = sum(path.startswith("resized/") for path in strays)
    if copies:
        where = reading.prefix.partition("/")[0] or "the artists' folders"
        yield f"resized/ was left out: its {copies:,} files are copies of the paintings in {where}/."
    if elsewhere := len(strays) - copies:
        yield f"Pictures outside {reading.prefix.partition('/')[0]}/ were left out: {elsewhere:,}."
    deeper = min((path.partition("/images/images/")[0] for path in pictures if "/images/images/" in path), default="")
    if deeper:
        yield (
            f"The folders in {root} were taken for artists, but {deeper} is laid out as Kaggle's set is; "
            f"to build from it pass --data_dir={root}/{deeper}."
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
    candidates = [Candidate(each.path, each.artist, *each.status, each.split) for each in named]
    return _Found("manifest", candidates, rejects, notes, gives_splits)


def _absolute(path: str) -> str:
    """A path that stays valid in another working directory."""
    return path.rstrip("/") if files.is_remote(path) else os.path.abspath(os.path.expanduser(path))


# --- The gallery, and what a user should be told ---------------------------------------------------------------------


def _gallery(root: str, table: Sequence[Artist], found: _Found) -> Gallery:
    """Matches names with artists.csv and adds what there is to say about it."""
    match = names.match((candidate.artist for candidate in found.candidates), table)
    candidates = found.candidates
    for place, candidate in enumerate(candidates):
        if (name := match.artists[candidate.artist].name) != candidate.artist:
            candidates[place] = replace(candidate, artist=name)
    candidates.sort(key=lambda candidate: candidate.path)
    rejected = names.match((reject.artist for reject in found.rejects if reject.artist), table).artists
    rejects = [
        replace(reject, artist=rejected[reject.artist].name) if reject.artist in rejected else reject
        for reject in found.rejects
    ]
    artists = sorted(set(match.artists.values()), key=lambda artist: artist.name)
    return Gallery(
        root=root,
        layout=found.layout,
        candidates=tuple(candidates),
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
