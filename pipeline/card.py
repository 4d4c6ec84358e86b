"""The dataset card: one self-contained page that shows a person what a dataset holds and how it came to be.

`gather` reads, `render_card` decides what the page says, and `write_card` puts it beside the shards. Long lists are cut
and say so, and of the shards only a few are read for samples: a card costs the same for any number of paintings.
"""

from __future__ import annotations

import io
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import Image

from pipeline.dataset.contract import CARD_FILE, VERSION, Artist, Contract
from pipeline.dataset.dataset import Dataset
from pipeline.dataset.photographs import Photographs, ask_photographs
from pipeline.dataset.records import read_records
from pipeline.dataset.rejects import REJECTS_FILE, Reject, read_rejects
from pipeline.pages.html import data_uri, environment
from pipeline.storage import files

MOST_SAMPLES = 6  # crops of an artist
MOST_SAMPLES_IN_ALL = 300  # at 3 to 5 kB each
ENOUGH = 64  # times as many paintings of an artist as are shown are known when those are chosen
MOST_SHARDS = 8  # read for samples, but for artists of whom these hold nothing
SAMPLE_SIDE = 96  # pixels
SAMPLE_QUALITY = 85
MOST_GROUPS = 60
MOST_COPIES = 100
MOST_REJECTS = 200


class Sample(NamedTuple):
    """One crop, as an image that the page holds itself."""

    painting: str
    uri: str


class Class(NamedTuple):
    """An artist's paintings, split by split in the contract's order, and a few of their crops."""

    artist: Artist
    paintings: tuple[int, ...]
    samples: tuple[Sample, ...]


class Bin(NamedTuple):
    """Paintings whose short side is at least `low` and less than `high` pixels."""

    low: int
    high: int
    paintings: int


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a card tells. Paths are relative to the folder that was built from, where they lie in it.

    Attributes:
      folder: where the dataset lies.
      contract: what it says of itself.
      classes: in label order.
      short_sides: histogram of the pictures' short sides, in steps of the square root of two.
      smallest, middle, largest: (width, height) of the pictures of least, median and most pixels.
      near_groups: how many groups of near copies there are.
      near_paintings: how many paintings are in them.
      groups: the first of them, as paths.
      exact_copies: how many files were left out for being another's exact copy.
      copies: the first of them: (path kept, paths left out).
      photographs: what the facts of files alone tell of who painted the test paintings; None where there are none.
      likeliest: share of the test paintings that are by the artist with most training paintings.
      reasons: reason -> rejects.
      rejects: the first of them.
    """

    folder: str
    contract: Contract
    classes: tuple[Class, ...]
    short_sides: tuple[Bin, ...]
    smallest: tuple[int, int]
    middle: tuple[int, int]
    largest: tuple[int, int]
    near_groups: int
    near_paintings: int
    groups: tuple[tuple[str, ...], ...]
    exact_copies: int
    copies: tuple[tuple[str, tuple[str, ...]], ...]
    photographs: Photographs | None
    likeliest: float
    reasons: Mapping[str, int]
    rejects: tuple[Reject, ...]

    @property
    def paintings(self) -> int:
        """In all splits."""
        return sum(sum(some.paintings) for some in self.classes)


def write_card(folder: str, contract: Contract) -> None:
    """Writes card.html into a dataset's folder, which holds its shards, paintings.parquet and rejects.csv.

    Raises:
      DamagedShardError: a shard that was read for samples is damaged.
      OSError: a file is missing.
    """
    page = render_card(gather(folder, contract))
    files.write_text(files.join(folder, CARD_FILE), page)


def render_card(facts: Facts) -> str:
    """The page."""
    contract = facts.contract
    return (
        environment(Path(__file__).with_name("templates"))
        .get_template(CARD_FILE)
        .render(
            facts=facts,
            contract=contract,
            scheme=contract.scheme,
            what=contract.scheme.description,
            splits=[(split, contract.records(split), len(shards)) for split, shards in contract.splits.items()],
            bytes=sum(shard.bytes for shards in contract.splits.values() for shard in shards),
            most=max((sum(some.paintings) for some in facts.classes), default=0),
            tallest=max((some.paintings for some in facts.short_sides), default=0),
            parent=facts.folder.rstrip("/").removesuffix(f"/{contract.scheme.name}/{VERSION}"),
        )
    )


def gather(folder: str, contract: Contract) -> Facts:
    """Reads what a card tells. Raises as `write_card`."""
    root = contract.data_dir
    dataset = Dataset(folder, contract)  # not sealed yet, perhaps
    tally: Counter[tuple[int, str]] = Counter()
    widths, heights = array("i"), array("i")
    exact_copies = 0
    copies: list[tuple[str, tuple[str, ...]]] = []
    for row in dataset.paintings("path", "label", "split", "copies", "width", "height"):
        tally[row["label"], row["split"]] += 1
        widths.append(row["width"])
        heights.append(row["height"])
        exact_copies += len(row["copies"])
        if row["copies"] and len(copies) < MOST_COPIES:
            copies.append((_short(row["path"], root), tuple(_short(path, root) for path in row["copies"])))
    sizes = np.array([widths, heights], np.int64).T
    sizes = sizes[np.argsort(sizes.prod(axis=1), kind="stable")]
    near_sizes, groups = _near_groups(dataset, root)
    samples = _samples(dataset)
    reasons, rejects = _rejects(files.read(files.join(folder, REJECTS_FILE)), root)
    return Facts(
        folder=folder,
        contract=contract,
        classes=tuple(
            Class(artist, tuple(tally[label, split] for split in contract.splits), tuple(samples.get(label, ())))
            for label, artist in enumerate(contract.artists)
        ),
        short_sides=_histogram(sizes.min(axis=1)),
        smallest=_pair(sizes[0]),
        middle=_pair(sizes[len(sizes) // 2]),
        largest=_pair(sizes[-1]),
        near_groups=len(near_sizes),
        near_paintings=sum(near_sizes),
        groups=groups,
        exact_copies=exact_copies,
        copies=tuple(copies),
        photographs=ask_photographs(dataset),
        likeliest=_likeliest(tally),
        reasons=reasons,
        rejects=rejects,
    )


def _likeliest(tally: Mapping[tuple[int, str], int]) -> float:
    """Share of the test paintings that are by whoever has most training paintings."""
    trained = {label: count for (label, split), count in tally.items() if split == "train"}
    tested = sum(count for (_, split), count in tally.items() if split == "test")
    if not trained or not tested:
        return 0.0
    return tally.get((max(trained, key=lambda label: trained[label]), "test"), 0) / tested


def _short(path: str, root: str) -> str:
    """A path within the folder that was built from."""
    return path.removeprefix(root.rstrip("/") + "/") if root else path


def _histogram(sides: np.ndarray) -> tuple[Bin, ...]:
    """Bins from half a power of two to the next, none empty at the ends."""
    steps = np.arange(np.floor(2 * np.log2(sides.min())), np.floor(2 * np.log2(sides.max())) + 2)
    edges = 2 ** (steps / 2)
    counts, _ = np.histogram(sides, edges)
    low, high = np.ceil(edges[:-1]).astype(int), np.ceil(edges[1:]).astype(int)
    return tuple(map(Bin, low.tolist(), high.tolist(), counts.tolist()))


def _pair(size: np.ndarray) -> tuple[int, int]:
    return int(size[0]), int(size[1])


def _near_groups(dataset: Dataset, root: str) -> tuple[list[int], tuple[tuple[str, ...], ...]]:
    """The sizes of all groups of near copies, and the paths of the first of them.

    A group is called after one of its paintings, so that those that are in it with others are found by the others.
    """
    rows = dataset.paintings("painting_id", "group")
    shared = {row["group"] for row in rows if row["group"] != row["painting_id"]}
    sizes: Counter[str] = Counter()
    groups: dict[str, list[str]] = {}
    for row in dataset.paintings("path", "group"):
        if row["group"] in shared:
            sizes[row["group"]] += 1
            if row["group"] in groups or len(groups) < MOST_GROUPS:
                groups.setdefault(row["group"], []).append(_short(row["path"], root))
    several = (paths for paths in groups.values() if len(paths) > 1)
    return [size for size in sizes.values() if size > 1], tuple(sorted(tuple(sorted(paths)) for paths in several))


def _rejects(table: bytes, root: str) -> tuple[dict[str, int], tuple[Reject, ...]]:
    """Rejects by reason, most frequent first, and the first of them."""
    reasons: Counter[str] = Counter()
    first: list[Reject] = []
    for reject in read_rejects(table):
        reasons[reject.reason] += 1
        if len(first) < MOST_REJECTS:
            first.append(replace(reject, path=_short(reject.path, root)))
    return dict(reasons.most_common()), tuple(first)


# --- Samples ---------------------------------------------------------------------------------------------------------

Place = tuple[str, int]  # split and shard


def choose(paintings: Iterable[tuple[Place, int, str]], per_artist: int, most: int) -> dict[Place, set[str]]:
    """Which paintings to show, out of as few shards as will do: place -> painting ids.

    Takes the shard that adds most, again and again: an artist's first crop counts for more than all further ones.

    Args:
      paintings: (place, label, painting id) of each.
      per_artist: paintings wanted of each artist.
      most: shards to open, beyond which only artists of whom there is nothing yet are looked for.
    """
    held: dict[Place, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
    known: Counter[int] = Counter()
    for place, label, painting in paintings:
        if known[label] < per_artist * ENOUGH and len(held[place][label]) < per_artist:
            held[place][label].append(painting)
            known[label] += 1
    have: Counter[int] = Counter()
    chosen: dict[Place, set[str]] = {}

    def gain(place: Place) -> tuple[int, int]:
        new = sum(1 for label in held[place] if not have[label])
        return new, sum(min(len(ids), per_artist - have[label]) for label, ids in held[place].items())

    while held:
        best = max(held, key=gain)  # the first of equals
        new, more = gain(best)
        if not more or (len(chosen) >= most and not new):
            break
        chosen[best] = set()
        for label, ids in held.pop(best).items():
            taken = ids[: per_artist - have[label]]
            have[label] += len(taken)
            chosen[best].update(taken)
    return {place: ids for place, ids in chosen.items() if ids}


def _samples(dataset: Dataset) -> dict[int, list[Sample]]:
    """A few crops of each artist, each of another painting where there are several: label -> samples."""
    shown = min(len(dataset.contract.artists), MOST_SAMPLES_IN_ALL)
    paintings = (
        ((row["split"], row["shard"]), row["label"], row["painting_id"])
        for row in dataset.paintings("split", "shard", "label", "painting_id")
        if row["label"] < shown
    )
    samples: dict[int, list[Sample]] = defaultdict(list)
    chosen = choose(paintings, min(MOST_SAMPLES, MOST_SAMPLES_IN_ALL // shown), MOST_SHARDS)
    for (split, shard), wanted in sorted(chosen.items()):
        path = dataset.shard_path(dataset.contract.splits[split][shard])
        with files.opened(path) as stream:
            for label, sample in _find(stream, path, wanted, dataset.contract):
                samples[label].append(sample)
    return samples


def _find(stream: BinaryIO, path: str, wanted: set[str], contract: Contract) -> Iterator[tuple[int, Sample]]:
    """The first crop of each wanted painting of a shard, reading no further than needed: (label, sample)."""
    missing = set(wanted)
    for _, record in read_records(stream, path, contract):
        if not missing:
            return
        if record.painting_id in missing:
            missing.remove(record.painting_id)
            yield record.label, Sample(record.painting_id, _picture(record.image, contract))


def _picture(image: bytes, contract: Contract) -> str:
    """A record's picture as a small JPEG within a data: URI."""
    side = contract.scheme.size
    if contract.encoding == "raw":
        picture = Image.frombytes("RGB", (side, side), image)
    else:
        picture = Image.open(io.BytesIO(image)).convert("RGB")
    return data_uri(picture, SAMPLE_SIDE, SAMPLE_QUALITY)
