"""Artist names: repaired from folder and file names, and matched with artists.csv."""

from __future__ import annotations

import functools
import itertools
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from pipeline.dataset.contract import Artist
from pipeline.gallery.tables import read_table

ARTISTS_CSV = "artists.csv"


@functools.lru_cache(maxsize=4096)  # a gallery repairs the same few names once per file
def repair(raw: str, known: frozenset[str] = frozenset()) -> str:
    """A folder's or table's spelling of a name as a person would write it: "Albrecht_Du╠êrer" -> "Albrecht Dürer".

    Underscores become spaces; letters that unpacking or an address has escaped are put back (#U00fc, %C3%BC); UTF-8
    that was read as another encoding, once or several times, is put right; Unicode is composed (NFC); control and other
    invisible characters go; runs of spaces become one. A repaired name stays as it is. May be empty.

    Args:
      raw: the name.
      known: folded names (`fold`) of artists that are known; of two readings, one of these is right.
    """
    while (name := _repair_once(raw, known)) != raw:
        raw = name
    return name


def _repair_once(name: str, known: frozenset[str]) -> str:
    name = _fix_text(_undo_dos(_unescape(name.replace("_", " ")), known))
    visible = "".join(
        " " if char.isspace() else char
        for at, char in enumerate(name)
        if char.isspace() or _is_visible(char) or _joins(name, at)
    )
    return " ".join(visible.split())


def _unescape(name: str) -> str:
    """Undoes what Info-ZIP makes of letters that its locale lacks (#U00fc, #L01f600), and percent-escapes of UTF-8."""
    name = re.sub(r"#U([0-9a-fA-F]{4})|#L([0-9a-fA-F]{6})", _letter, name)
    if re.search(r"%[89A-Fa-f][0-9A-Fa-f]", name):  # beyond ASCII: no name has those by chance
        try:
            return unquote(name, errors="strict")
        except UnicodeDecodeError:
            return name
    return name


def _letter(match: re.Match[str]) -> str:
    code = int(match[1] or match[2], 16)
    return match[0] if code < 0x20 or 0xD800 <= code < 0xE000 or code > 0x10FFFF else chr(code)


def _undo_dos(name: str, known: frozenset[str]) -> str:
    """UTF-8 that was read in a code page of DOS, as unpacking does; ftfy, made for any text, leaves some be ("D├╝rer").

    It shows in box-drawing characters, read so again in a Greek letter before a Latin one; no name has either. Where
    pages 850 and 437 both give a name, it is the one that is known, or else the likelier one.
    """
    if not re.search("[\u2500-\u259f]|Γ[öòû]", name):
        return name
    readings = []
    for page in ("cp850", "cp437"):
        try:
            readings.append(name.encode(page).decode())
        except UnicodeError:
            continue
    return min(readings, key=lambda reading: (fold_once(reading) not in known, _oddness(reading)), default=name)


def _oddness(name: str) -> int:
    """How many letters stand where names do not have them: capitals after small letters, and those of Esperanto."""
    inner = sum(before.islower() and char.isupper() for before, char in itertools.pairwise(name))
    return inner + sum(char in "ĉĝĥĵŝŭĈĜĤĴŜŬ" for char in name)


def _is_visible(char: str) -> bool:
    """Whether a character is neither control, format, surrogate, private use nor unassigned."""
    return not unicodedata.category(char).startswith("C")


def _joins(name: str, at: int) -> bool:
    """Whether a joiner or non-joiner stands between letters of a script that spells with it, as Persian and Sinhala."""
    if name[at] not in "\u200c\u200d" or not 0 < at < len(name) - 1:
        return False
    return all(ord(char) >= 0x0590 and unicodedata.category(char)[0] in "LM" for char in (name[at - 1], name[at + 1]))


def fold(name: str) -> str:
    """What two spellings of one name share: letters and digits without accents, in lower case, words apart.

    "Albrecht Dürer" and "albrecht-durer" both give "albrecht durer".
    """
    return fold_once(repair(name))


def fold_once(name: str) -> str:
    """`fold` of a name that is repaired."""
    letters = unicodedata.normalize("NFKD", name.casefold())
    bare = "".join(char for char in letters if not unicodedata.combining(char))
    bare = re.sub(r"['’`.]", "", bare)  # O'Keeffe, St.
    return " ".join(re.findall(r"\w+", bare))


def read_artists_csv(data: bytes, where: str = ARTISTS_CSV) -> list[Artist]:
    """The artists of a table with a column `name` and, where it has them, `years`, `genre` and `nationality`.

    Args:
      data: as for `tables.read_table`.
      where: the file's name, for errors.

    Raises:
      InputError: the table has no column `name`, or a line of it cannot be understood.
    """
    _, rows = read_table(data, where, ("name",))
    artists = {}
    for row in rows:
        name = repair(row.cells["name"])
        if name and name not in artists:
            details = {column: _tidy(row.cells.get(column, "")) for column in ("years", "genre", "nationality")}
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
