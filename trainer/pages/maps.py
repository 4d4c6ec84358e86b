"""Which parts of a picture speak for whom? A picture tinted by the artist that each region names.

Many overlapping windows are asked; each place gets the mean of what the windows around it say, and the colour of the
artist that is likeliest there, the stronger the likelier. The legend says whose colour it is and how much of the
picture speaks for them. Colours are Okabe and Ito's, which colour-blind readers can tell apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from trainer.judging.activation import Region

MOST_WINDOWS = 1024  # asked of a picture, however large
LONGEST = 1000  # pixels of the map's longer side, without the legend
SHORTEST = 600  # what is smaller is enlarged to this, so that it can be looked at
GRID = 128  # cells along the longer side, over which the windows are averaged
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
OTHERS = "#8C8C8C"  # of artists beyond those


@dataclass(frozen=True, slots=True)
class Share:
    """How much of a picture, 0..1, speaks for an artist, and in which colour. `artist` is "others" for the rest."""

    artist: str
    share: float
    colour: str


def windows(width: int, height: int, size: int) -> list[tuple[int, int, int, int]]:
    """Windows evenly spread over a picture, overlapping by three quarters where that takes no more than `MOST_WINDOWS`.

    Returns:
      Boxes (left, top, right, bottom) of equal size, the first in the upper left and the last in the lower right
      corner; as large as the picture's shorter side where that is less than `size`.
    """
    side = min(size, width, height)
    stride = side / 4
    while _count(width, side, stride) * _count(height, side, stride) > MOST_WINDOWS:
        stride *= 1.1
    lefts = np.linspace(0, width - side, _count(width, side, stride)).round().astype(int).tolist()
    tops = np.linspace(0, height - side, _count(height, side, stride)).round().astype(int).tolist()
    return [(left, top, left + side, top + side) for top in tops for left in lefts]


def _count(length: int, side: int, stride: float) -> int:
    return int(np.ceil((length - side) / stride)) + 1


def average(regions: Sequence[Region], width: int, height: int) -> np.ndarray:
    """What each cell of a grid over the picture says: float64[rows, columns, artists], rows of sum 1.

    A cell takes the mean of the windows that cover its middle; where windows leave gaps, as on huge pictures, of the
    nearest one.
    """
    scale = GRID / max(width, height)
    columns, rows = max(1, round(width * scale)), max(1, round(height * scale))
    boxes = np.array([region.box for region in regions])
    said = np.stack([region.probabilities for region in regions])
    x, y = (np.arange(columns) + 0.5) * width / columns, (np.arange(rows) + 0.5) * height / rows
    cells = np.empty((rows, columns, said.shape[1]))
    for row in range(rows):  # a row of cells at a time: the matrix of cells and windows stays small
        beside = np.maximum(boxes[:, 0] - x[:, None], x[:, None] - boxes[:, 2])
        above = np.maximum(boxes[:, 1] - y[row], y[row] - boxes[:, 3])
        distance = np.maximum(np.maximum(beside, above), 0)
        weights = (distance <= distance.min(axis=1, keepdims=True)).astype(float)
        cells[row] = weights @ said / weights.sum(axis=1, keepdims=True)
    return cells


def shares(cells: np.ndarray, artists: Sequence[str]) -> list[Share]:
    """Who speaks for how much of the picture, most first; beyond seven artists, the rest is "others"."""
    counts = np.bincount(cells.argmax(axis=2).ravel(), minlength=len(artists)) / (cells.shape[0] * cells.shape[1])
    order = [int(label) for label in np.argsort(-counts, kind="stable") if counts[label]]
    named = [Share(artists[label], float(counts[label]), colour) for label, colour in zip(order, COLOURS, strict=False)]
    rest = float(counts[order[len(COLOURS) :]].sum())
    return [*named, Share("others", rest, OTHERS)] if rest else named


def draw(image: Image.Image, regions: Sequence[Region], artists: Sequence[str]) -> Image.Image:
    """The map of an RGB picture, with its legend below: an RGB image of bounded size."""
    scale = min(LONGEST / max(image.size), max(1.0, SHORTEST / max(image.size)))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return _with_legend(*tint(image, average(regions, *image.size), artists, size))


def tint(
    image: Image.Image, cells: np.ndarray, artists: Sequence[str], size: tuple[int, int]
) -> tuple[Image.Image, list[Share]]:
    """An RGB picture, resized and tinted by what its cells say, and what the colours stand for."""
    legend = shares(cells, artists)
    grey = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=2).convert("L")
    page = grey.point(lambda value: 60 + value * 195 // 255).convert("RGB")  # lighter: a tint drowns in black
    colours, strength = _tint(cells, legend, artists)
    mask = Image.fromarray((255 * strength).astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)
    page.paste(Image.fromarray(colours).resize(size, Image.Resampling.NEAREST), mask=mask)
    page.paste("white", mask=_borders(cells.argmax(axis=2), size))
    return page, legend


def _tint(cells: np.ndarray, legend: Sequence[Share], artists: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """(colour uint8[rows, columns, 3], strength float64[rows, columns] in 0.2..0.65) of each cell."""
    colours = {share.artist: _rgb(share.colour) for share in legend}
    table = np.array([colours.get(artist, _rgb(OTHERS)) for artist in artists], np.uint8)
    chance = 1 / cells.shape[2]
    sure = (cells.max(axis=2) - chance) / (1 - chance) if chance < 1 else np.ones(cells.shape[:2])
    return table[cells.argmax(axis=2)], 0.2 + 0.45 * np.clip(sure, 0, 1)


def _borders(named: np.ndarray, size: tuple[int, int]) -> Image.Image:
    """Where regions of two artists meet, as a mask: tints alone are hard to part in print."""
    rows = np.arange(size[1]) * named.shape[0] // size[1]
    columns = np.arange(size[0]) * named.shape[1] // size[0]
    label = named[np.ix_(rows, columns)]
    edge = np.zeros(label.shape, bool)
    edge[:, 1:] |= label[:, 1:] != label[:, :-1]
    edge[1:] |= label[1:] != label[:-1]
    return Image.fromarray(np.where(edge, 200, 0).astype(np.uint8))


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _with_legend(picture: Image.Image, legend: Sequence[Share]) -> Image.Image:
    font = _font(15)
    lines = [f"{share.artist}  {share.share:.0%}" for share in legend]
    widest = 44 + round(max(font.getlength(line) for line in lines))
    page = Image.new("RGB", (max(picture.width, widest), picture.height + 16 + 24 * len(legend)), "white")
    page.paste(picture)
    pen = ImageDraw.Draw(page)
    for row, (share, line) in enumerate(zip(legend, lines, strict=True)):
        top = picture.height + 12 + 24 * row
        pen.rectangle((12, top, 27, top + 15), fill=share.colour, outline="#444444")
        pen.text((36, top + 8), line, fill="#222222", font=font, anchor="lm")
    return page


def _font(size: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which matplotlib brings: Pillow's own font lacks the letters of many painters' names."""
    import matplotlib

    return ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf", size)
