"""In which layout does a folder hold paintings, and whose is each? Guessed from relative paths, and doubted.

    kaggle    images/images/<Artist>/*.jpg (or images/<Artist>/*.jpg)
    folders   <Artist>/**/*.jpg
    nested    train/<Artist>/*.jpg, drawings/<Artist>/*.jpg: a folder per artist below folders of another kind
    flat      <Artist>_12.jpg, in the folder itself or in resized/resized/ (or resized/)

A guess that would make artists of splits, of techniques or of titles, or that leaves most pictures out, is refused or
noted with what was seen and the flag that says otherwise.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from pipeline.errors import InputError
from pipeline.gallery.kinds import extension
from pipeline.storage.many import Many

Layout = Literal["kaggle", "folders", "nested", "flat"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)

SPLIT_NAMES = {
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev", "eval"), "validation"),
    **dict.fromkeys(("test", "testing", "tst", "holdout", "held-out", "held_out"), "test"),
}
_SET_WORD = re.compile(r"[\s_-]*(?:set|data|images|imgs|split)?$")
# Folders that sort pictures by something else than who made them.
_SORT_WORDS = """
    drawing drawings painting paintings print prints sketch sketches watercolour watercolours watercolor watercolors
    oil oils oil_paintings engraving engravings etching etchings lithograph lithographs sculpture sculptures photo
    photos photograph photographs portrait portraits landscape landscapes artwork artworks works art image images
    img imgs pictures picture pics jpg jpeg png tif tiff webp originals original full large medium small thumbs
    thumbnails thumb resized scans data dataset datasets files raw public private collection museum misc other
    others unsorted new old gallery galleries output outputs maps runs results
"""
_SORTS = frozenset(_SORT_WORDS.split())
_PREFIXES = ("resized/resized/", "resized/", "images/images/", "images/")
_IN_IMAGES = re.compile(r"images/(?!images/[^/]*$)[^/]+/")
_NUMBERED = re.compile(r"(?P<artist>.+)_(?P<number>\d+)$")
_YEARS = range(1200, 2100)
_FEW = 4  # artists; of fewer nothing can be told from how many there are
_SHOWN = 5


@dataclass(frozen=True)
class Reading:
    """What a layout makes of a folder.

    Attributes:
      layout: which.
      prefix: below which its paintings lie; "" for all of it.
      notes: sentences that a user should see.
    """

    layout: Layout
    prefix: str = ""
    notes: tuple[str, ...] = field(default=())

    def artist_of(self, path: str) -> str:
        """The artist's name as written in a relative path below the prefix; "" for nobody."""
        *folders, name = path.removeprefix(self.prefix).split("/")
        if self.layout == "flat":
            numbered = _NUMBERED.match(_stem(name)) if not folders else None
            return numbered["artist"] if numbered else ""
        depth = 1 if self.layout == "nested" else 0
        return folders[depth] if len(folders) > depth else ""

    def split_of(self, path: str) -> str:
        """The split that a nested path gives, one of SPLITS; "" where it gives none."""
        return split_of_name(path.partition("/")[0]) if self.layout == "nested" else ""


def split_of_name(name: str) -> str:
    """ "Training_set" -> "train"; "" where it is no split's name."""
    word = name.strip().lower()
    return SPLIT_NAMES.get(word) or SPLIT_NAMES.get(_SET_WORD.sub("", word), "")


@dataclass
class _Places:
    """Where pictures lie: how many in all, in folders of images/, and outside images/ and resized/; below prefixes."""

    all: int = 0
    in_images: int = 0
    elsewhere: int = 0
    below: Counter[str] = field(default_factory=Counter)
    twice: int = 0  # of those in folders of images/, below images/images/

    @classmethod
    def of(cls, paths: Iterable[str]) -> _Places:
        """Of these, relative to the folder."""
        places = cls()
        for path in paths:
            places.all += 1
            places.below.update(prefix for prefix in _PREFIXES if path.startswith(prefix))
            if _is_in_images(path):
                places.in_images += 1
                places.twice += path.startswith("images/images/")
            places.elsewhere += "/" in path and not path.startswith(("images/", "resized/"))
        return places

    def flat_prefix(self) -> str:
        """Where most of them are."""
        return next((prefix for prefix in _PREFIXES if 2 * self.below[prefix] > self.all), "")


def read_layout(paths: Many[str], root: str, asked: Layout | None = None) -> Reading:
    """Decides the layout.

    Args:
      paths: of pictures, relative to the folder; one at least.
      root: the folder, for messages.
      asked: the layout that a user says it is.

    Raises:
      InputError: the folder's names look like splits, sorts or titles and not like artists, and it cannot be told who
        the artists are.
    """
    if asked in ("folders", "nested"):
        return Reading(asked)
    places = _Places.of(paths)
    if asked == "kaggle":
        return Reading("kaggle", _kaggle_prefix(places.below["images/images/"], places.below["images/"]))
    if asked == "flat":
        return Reading("flat", places.flat_prefix())
    if places.in_images and places.in_images >= places.elsewhere:
        reading = Reading("kaggle", _kaggle_prefix(places.twice, places.in_images))
        return _doubt_folders(reading, filter(_is_in_images, paths), root)
    if not places.elsewhere and not places.in_images:
        return _doubt_titles(Reading("flat", places.flat_prefix()), paths, root)
    return _doubt_folders(Reading("folders"), (path for path in paths if "/" in path), root)


def _is_in_images(path: str) -> bool:
    return bool(_IN_IMAGES.match(path))


def _kaggle_prefix(twice: int, once: int) -> str:
    return "images/images/" if 2 * twice > once else "images/"


def _stem(name: str) -> str:
    ending = extension(name)
    return name[: -len(ending)] if ending else name


# --- Doubts ----------------------------------------------------------------------------------------------------------


def _doubt_folders(reading: Reading, paths: Iterable[str], root: str) -> Reading:
    """A folder per artist, if that is what the folders are."""
    inner: dict[str, Counter[str]] = defaultdict(Counter)  # folder -> what lies in it, "" for pictures
    for path in paths:
        if path.startswith(reading.prefix):
            first, _, rest = path.removeprefix(reading.prefix).partition("/")
            inner[first][rest.partition("/")[0] if "/" in rest else ""] += 1
    splits = [name for name in inner if split_of_name(name)]
    sorts = [name for name in inner if name.lower().replace(" ", "_") in _SORTS]
    odd = [*splits, *(name for name in sorts if name not in splits)]
    artists = len(inner) - len(odd)
    if odd and artists == 0 and not reading.prefix:
        return _nested(inner, splits, root)
    notes = []
    if odd and artists:
        notes.append(
            f"{_spell(odd)} in {root} {'look' if len(odd) > 1 else 'looks'} like no artist, and "
            f"{'were' if len(odd) > 1 else 'was'} taken for {'artists' if len(odd) > 1 else 'one'}. Move "
            f"{'them' if len(odd) > 1 else 'it'} away, or pass --manifest."
        )
    elif odd:
        raise InputError(
            f"The folders {_spell(odd)} in {root}/{reading.prefix} look like no artists. Pass the folder that holds a "
            f"folder per artist as --data_dir, --layout={reading.layout} if they are artists all the same, or a "
            "--manifest."
        )
    elif len(inner) == 1 and not reading.prefix:
        (name,) = inner
        folders = {folder for folder in inner[name] if folder}
        if len(folders) > 1:
            notes.append(
                f"All pictures lie in {name}, which holds the folders {_spell(sorted(folders))}: if these are the "
                f"artists, pass --data_dir={root}/{name}."
            )
    if len(inner) >= _FEW and 3 * len(inner) > 2 * sum(map(Counter.total, inner.values())):
        notes.append(
            f"Most of the {len(inner):,} folders in {root} hold one picture: are they titles, and not artists? Then "
            "pass --manifest, a CSV with the columns path and artist."
        )
    return Reading(reading.layout, reading.prefix, tuple(notes))


def _nested(inner: dict[str, Counter[str]], splits: Sequence[str], root: str) -> Reading:
    """Splits or sorts above a folder per artist. Raises InputError where there are no artists below them."""
    pictures = sum(counts[""] for counts in inner.values())
    below = sum(counts.total() for counts in inner.values()) - pictures
    artists = Counter(folder for counts in inner.values() for folder in counts if folder)
    shared = [folder for folder, found in artists.items() if found > 1]
    if below > pictures and (splits or shared or len(inner) == 1):
        given = "; --splits=given keeps these splits, else they are made anew" if splits else ""
        return Reading(
            "nested",
            notes=(
                f"{_spell(sorted(inner))} in {root} were taken for {'splits' if splits else 'sorts of pictures'}, and "
                f"the {len(artists):,} folders in them ({_spell(sorted(artists))}) for the artists (--layout=nested)"
                f"{given}. --layout=folders takes the former for artists.",
            ),
        )
    kind = "splits" if splits else "sorts of pictures"
    raise InputError(
        f"The folders {_spell(sorted(inner))} in {root} look like {kind}, not like artists"
        + (f", and the folders in them ({_spell(sorted(artists))}) may be. " if below else ", and hold pictures. ")
        + "Pass --layout=nested if the artists are the folders below them, --layout=folders if these are artists all "
        "the same, or --manifest, a CSV with the columns path and artist."
    )


def _doubt_titles(reading: Reading, paths: Iterable[str], root: str) -> Reading:
    """Artist_12.jpg, if that is what the names are."""
    artists: Counter[str] = Counter()
    years = dashes = 0
    for path in paths:
        if match := _NUMBERED.match(_stem(path.removeprefix(reading.prefix))):
            artists[match["artist"]] += 1
            years += len(match["number"]) == 4 and int(match["number"]) in _YEARS
            dashes += " - " in match["artist"].replace("_", " ")
    named = artists.total()
    if len(artists) < _FEW or 3 * len(artists) <= named:
        return reading
    if 2 * max(years, dashes) > named:
        raise InputError(
            f"The names in {root}/{reading.prefix} look like titles{' with years' if 2 * years > named else ''}, "
            f"not like Artist_12.jpg: {named:,} pictures would give {len(artists):,} artists, such as "
            f"{_spell(sorted(artists)[:2])}. Put them into a folder per artist, or pass --manifest, a CSV with the "
            "columns path and artist; --layout=flat takes the names as they are."
        )
    return Reading(
        reading.layout,
        reading.prefix,
        (
            f"{named:,} pictures in {root} give {len(artists):,} artists by their names, such as "
            f"{_spell(sorted(artists)[:2])}. If these are titles, pass --manifest, a CSV with the columns path and "
            "artist.",
        ),
    )


def _spell(names: Sequence[str]) -> str:
    """For example "A, B and C"; of more than five, the first five and how many more."""
    if len(names) > _SHOWN + 1:
        return f"{', '.join(names[:_SHOWN])} and {len(names) - _SHOWN} more"
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)
