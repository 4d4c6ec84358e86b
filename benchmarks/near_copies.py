"""python -m benchmarks.near_copies --data_dir=DIR: which altered copies of real paintings are found, and what else is.

Every fourth painting is altered in each way there is, and looked at beside all paintings. Found is a copy that comes
into its original's group; strangers are paintings of another group that come into a copy's. Pairs among the paintings
themselves are listed with what is known of them, to be looked at by eye: --pairs. The cut of second looks was chosen
on altered paintings of even numbers; the figures of the odd ones are the test.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from benchmarks.measure import save, table
from pipeline.gallery.find import find_gallery
from pipeline.pictures.decode import decode
from pipeline.pictures.likeness import RESOLUTION, Likeness, compare_looks, likeness, read_look
from pipeline.plan import near, search

EVERY = 4
SIDE = 900  # pixels of the longer side of altered copies, at most
_BROWN = (60, 45, 30)


def _cut(image: Image.Image, left: float, upper: float, right: float, lower: float) -> Image.Image:
    width, height = image.size
    edges = (width * left, height * upper, width * (1 - right), height * (1 - lower))
    return image.crop((round(edges[0]), round(edges[1]), round(edges[2]), round(edges[3])))


def _frame(image: Image.Image, share: float) -> Image.Image:
    return ImageOps.expand(image, round(min(image.size) * share), _BROWN)


ALTERATIONS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "recompressed (quality 30)": lambda image: Image.open(io.BytesIO(_encode(image, 30))),
    "half the size": lambda image: image.resize((max(1, image.width // 2), max(1, image.height // 2))),
    "brighter by 35%": lambda image: ImageEnhance.Brightness(image).enhance(1.35),
    "darker by 35%": lambda image: ImageEnhance.Brightness(image).enhance(0.65),
    "gray": lambda image: image.convert("L"),
    "3% cut off every side": lambda image: _cut(image, 0.03, 0.03, 0.03, 0.03),
    "6% cut off every side": lambda image: _cut(image, 0.06, 0.06, 0.06, 0.06),
    "6% cut off left and right": lambda image: _cut(image, 0.06, 0, 0.06, 0),
    "6% cut off one side": lambda image: _cut(image, 0.06, 0, 0, 0),
    "6% cut off two sides at a corner": lambda image: _cut(image, 0.06, 0.06, 0, 0),
    "framed, 2%": lambda image: _frame(image, 0.02),
    "framed, 4%": lambda image: _frame(image, 0.04),
    "framed, 6%": lambda image: _frame(image, 0.06),
    "mirrored": ImageOps.mirror,
    "mirrored, 3% cut off": lambda image: _cut(ImageOps.mirror(image), 0.03, 0.03, 0.03, 0.03),
}


def _encode(image: Image.Image, quality: int) -> bytes:
    held = io.BytesIO()
    image.convert("RGB").save(held, "JPEG", quality=quality)
    return held.getvalue()


def _open(path: Path) -> Image.Image:
    image = Image.open(path).convert("RGB")
    image.thumbnail((SIDE, SIDE))
    return image


def look(data: bytes) -> Likeness:
    """What the survey keeps of a file."""
    return likeness(decode(data, max_pixels=10**9, at_least=RESOLUTION, gray=True).image)


@dataclass(frozen=True)
class Found:
    """What the plan finds in pictures: candidates, second looks, links that are cut, and row -> centre of its group."""

    candidates: np.ndarray
    looks: near.Looks
    cut: list[near.Link]
    centres: dict[int, int]

    @classmethod
    def of(cls, seen: list[Likeness]) -> Found:
        """In these pictures."""
        hashes, inner = (
            np.array([list(bytes.fromhex(text)) for text in texts], np.uint8)
            for texts in ([each.hash for each in seen], [each.inner for each in seen])
        )
        looks = near.Looks(np.arange(len(seen)), np.stack([read_look(each.look) for each in seen]))
        found = search.find(hashes, inner)
        centres, cut = near.star_groups(near.confirm(found.candidates, looks))
        return cls(found.candidates, looks, cut, near.add_same(centres, found.same))

    def group(self, row: int) -> set[int]:
        """All rows of a row's group."""
        centre = self.centres.get(row, row)
        return {row} | {other for other, of in self.centres.items() if of == centre}


def main() -> None:
    """Prints two tables; writes benchmarks/results/near_copies.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data_dir", nargs="+", required=True)
    parser.add_argument("--pairs", action="store_true", help="list pairs of paintings that a second look decides")
    asked = parser.parse_args()
    paths = [Path(each.path) for folder in asked.data_dir for each in find_gallery(folder).candidates]
    seen = [look(path.read_bytes()) for path in paths]
    alone = Found.of(seen)
    groups = len(set(alone.centres.values()))
    print(f"{len(paths):,} paintings: {len(alone.centres):,} in {groups:,} groups, {len(alone.cut)} links cut")
    if asked.pairs:
        for number, kind in enumerate(search.KINDS):
            pairs = alone.candidates[alone.candidates[:, 2] == number]
            ones, others = (alone.looks.of(pairs[:, side]) for side in (0, 1))
            likeness_of_pairs = compare_looks(ones, others, kind == search.MIRRORED)
            for (one, other, _, bits), alike in zip(pairs, likeness_of_pairs, strict=True):
                if kind != search.WHOLE or bits > near.SURE_BITS:
                    print(kind, bits, f"{alike:.2f}", paths[one].name, paths[other].name)
    originals = range(0, len(paths), EVERY)
    rows, results = [], {}
    for name, alter in ALTERATIONS.items():
        altered = [look(_encode(alter(_open(paths[row])), 85)) for row in originals]
        beside = Found.of([*seen, *altered])
        found, strangers = [], 0
        for number, row in enumerate(originals):
            group = {other for other in beside.group(len(paths) + number) if other < len(paths)}
            found.append(row in group)
            strangers += len(group - alone.group(row))
        even, odd = float(np.mean(found[::2])), float(np.mean(found[1::2]))
        results[name] = {"even": even, "odd": odd, "strangers": strangers}
        rows.append([name, f"{even:.3f}", f"{odd:.3f}", f"{strangers}"])
    print(f"\n{table(['alteration', 'found, even', 'found, odd', 'strangers'], rows)}")
    print(f"written to {save('near_copies', {'paintings': len(paths), 'alterations': results})}")


if __name__ == "__main__":
    main()
