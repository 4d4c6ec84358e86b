"""Artist names: repaired from folder and file names, and matched with artists.csv."""

from __future__ import annotations

import csv
import functools
import io
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.dataset.contract import Artist
from pipeline.errors import InputError

ARTISTS_CSV = "artists.csv"


@functools.lru_cache(maxsize=4096)  # a gallery repairs the same few names once per file
def repair(raw: str) -> str:
    """A folder's or table's spelling of a name as a person would write it: "Albrecht_Du╠êrer" -> "Albrecht Dürer".

    Underscores become spaces; UTF-8 that was read as another encoding, once or several times, is put right; Unicode
    is composed (NFC); control and other invisible characters go; runs of spaces become one. A repaired name stays as
    it is. May be empty.
    """
    while (name := _repair_once(raw)) != raw:
        raw = name
    return name


def _repair_once(name: str) -> str:
    name = _fix_text(_undo_dos(name.replace("_", " ")))
    visible = "".join(" " if char.isspace() else char for char in name if char.isspace() or _is_visible(char))
    return " ".join(visible.split())


def _undo_dos(name: str) -> str:
    """UTF-8 that was read in a code page of DOS, as unpacking does; ftfy, made for any text, leaves some be ("D├╝rer").

    It shows in box-drawing characters, read so again in a Greek letter before a Latin one; no name has either.
    """
    if re.search("[\u2500-\u259f]|Γ[öòû]", name):
        for page in ("cp437", "cp850"):
            try:
                return name.encode(page).decode()
            except UnicodeError:
                continue
    return name


def _is_visible(char: str) -> bool:
    """Whether a character is neither control, format, surrogate, private use nor unassigned."""
    return not unicodedata.category(char).startswith("C")


def fold(name: str) -> str:
    """What two spellings of one name share: letters and digits without accents, in lower case, words apart.

    "Albrecht Dürer" and "albrecht-durer" both give "albrecht durer".
    """
    letters = unicodedata.normalize("NFKD", repair(name).casefold())
    bare = "".join(char for char in letters if not unicodedata.combining(char))
    bare = re.sub(r"['’`.]", "", bare)  # O'Keeffe, St.
    return " ".join(re.findall(r"\w+", bare))


def read_artists_csv(text: str, where: str = ARTISTS_CSV) -> list[Artist]:
    """The artists of a table with a column `name` and, where it has them, `years`, `genre` and `nationality`.

    Args:
      text: CSV with a header line. A byte order mark, spaces around cells and further columns do no harm.
      where: the file's name, for errors.

    Raises:
      InputError: the table has no column `name`, or is not CSV.
    """
    try:
        rows = list(csv.reader(io.StringIO(text.lstrip("\ufeff"), newline=""), strict=True))
    except csv.Error as error:
        raise InputError(f"{where} is not a table of comma-separated values: {error}.") from error
    header = [cell.strip().lower() for cell in rows[0]] if rows else []
    if "name" not in header:
        found = ", ".join(header) or "none"
        raise InputError(f"{where} has no column `name` (columns found: {found}). Add one, or remove the file.")
    artists = {}
    for row in rows[1:]:
        cells = dict(zip(header, row, strict=False))
        name = repair(cells["name"]) if "name" in cells else ""
        if name and name not in artists:
            details = {column: _tidy(cells.get(column, "")) for column in ("years", "genre", "nationality")}
            artists[name] = Artist(name, **details)
    return list(artists.values())


def _tidy(cell: str) -> str:
    return " ".join(_fix_text(cell).split())


@dataclass(frozen=True)
class Match:
    """Names of a gallery beside those of artists.csv.

    Attributes:
      artists: given name -> artist; the table's spelling and details where it knows the artist, else the name alone.
      unknown: given names that match nothing in the table, or more than one of its artists; sorted.
      absent: artists of the table that no given name matches; in the table's order.
    """

    artists: Mapping[str, Artist]
    unknown: tuple[str, ...]
    absent: tuple[Artist, ...]


def match(names: Iterable[str], table: Sequence[Artist]) -> Match:
    """Finds each name in the table, as it stands or with accents, case, hyphens and punctuation set aside.

    Names that only folding brings together ("Albrecht Durer", "ALBRECHT DÜRER") become one artist if the table has
    exactly one of that fold; without the table they stay apart, for folding alone is no proof.
    """
    exact = {artist.name: artist for artist in table}
    folded: dict[str, list[Artist]] = defaultdict(list)
    for artist in table:
        folded[fold(artist.name)].append(artist)
    artists: dict[str, Artist] = {}
    unknown = []
    for name in sorted(set(names)):
        alike = [exact[name]] if name in exact else folded.get(fold(name), [])
        if len(alike) == 1:
            artists[name] = alike[0]
        else:
            artists[name] = Artist(name)
            unknown.append(name)
    found = set(artists.values())
    return Match(artists, tuple(unknown), tuple(artist for artist in table if artist not in found))


def _fix_text(text: str) -> str:
    import ftfy  # here, since most processes of a build repair no name

    return ftfy.fix_text(text, uncurl_quotes=False, normalization="NFC")
