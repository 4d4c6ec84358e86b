"""What the hands of the atelier share: noise, strokes that follow a field, relief and grounds. numpy and Pillow only.

Conventions: `size` is (width, height) in pixels; points are float[..., 2] of (x, y); pictures are float[height,
width, 3] of 0..255. Every function is pure, or draws from the generator it is given.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw

Floats = NDArray[np.floating]
Size = tuple[int, int]

_OVERSAMPLING = 2  # strokes are drawn this much larger and averaged down: Pillow draws no soft edges


def noise(rng: Generator, size: Size, cell: float | tuple[float, float], octaves: int = 1) -> Floats:
    """Smooth value noise, float32[height, width] within about -1..1.

    Args:
      rng: where the values come from.
      size: of the result.
      cell: pixels from one random value to the next, or such a pair for x and y; unequal ones give streaks.
      octaves: how many layers, each of half the cell and half the weight of the one before.
    """
    cell_x, cell_y = cell if isinstance(cell, tuple) else (cell, cell)
    total = np.zeros((size[1], size[0]), np.float32)
    for octave in range(octaves):
        columns, rows = (max(2, round(n * 2**octave / c) + 1) for n, c in zip(size, (cell_x, cell_y), strict=True))
        grid = rng.random((rows, columns), np.float32) * 2 - 1
        total += np.asarray(Image.fromarray(grid).resize(size, Image.Resampling.BICUBIC)) / 2**octave
    return total / np.float32(2 - 2.0 ** (1 - octaves))


def scatter(rng: Generator, size: Size, spacing: float) -> Floats:
    """Points about `spacing` apart that cover the canvas evenly, in random order: float32[n, 2]."""
    columns, rows = (int(n / spacing) + 2 for n in size)
    grid = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1).reshape(-1, 2)
    points = (grid + rng.uniform(-0.6, 0.6, grid.shape)) * spacing
    return rng.permutation(points).astype(np.float32)


def look_up(grid: NDArray[Any], size: Size, points: Floats) -> NDArray[Any]:
    """The values of `grid` ([rows, columns, ...], stretched over a canvas of `size`) at the points; nearest cell."""
    rows, columns = grid.shape[:2]
    x = np.clip(points[..., 0] * (columns / size[0]), 0, columns - 1).astype(np.intp)
    y = np.clip(points[..., 1] * (rows / size[1]), 0, rows - 1).astype(np.intp)
    return np.asarray(grid[y, x])


def trace(points: Floats, angle: Callable[[Floats], Floats], length: ArrayLike, stations: int = 4) -> Floats:
    """Follows a field of directions from each point: paths float32[n, stations, 2].

    Args:
      points: float32[n, 2].
      angle: points -> radians, float32[n].
      length: of each path in pixels, scalar or [n].
      stations: points on a path.
    """
    step = np.broadcast_to(np.asarray(length, np.float32) / (stations - 1), len(points))[:, None]
    path = [points]
    for _ in range(stations - 1):
        heading = angle(path[-1])
        path.append(path[-1] + step * np.stack([np.cos(heading), np.sin(heading)], axis=-1).astype(np.float32))
    return np.stack(path, axis=1)


def ribbons(paths: Floats, width: ArrayLike, taper: float = 0.5) -> Floats:
    """The outlines of strokes along paths [n, stations, 2]: polygons float32[n, 2 * stations, 2].

    Args:
      paths: the middle of each stroke.
      width: in pixels, scalar or [n].
      taper: how much thinner the ends are; 0 ends bluntly, 1 in a point.
    """
    stations = paths.shape[1]
    profile = 1 - taper * np.abs(np.linspace(-1, 1, stations)) ** 3
    tangent = np.gradient(paths, axis=1)
    normal = np.stack([-tangent[..., 1], tangent[..., 0]], axis=-1)
    normal /= np.maximum(np.hypot(normal[..., 0], normal[..., 1]), 1e-6)[..., None]
    half = np.broadcast_to(np.asarray(width), len(paths))[:, None, None] / 2 * profile[:, None]
    return np.concatenate([paths + normal * half, (paths - normal * half)[:, ::-1]], axis=1).astype(np.float32)


def bristles(rng: Generator, paths: Floats, colours: Floats, width: float, count: int) -> tuple[Floats, Floats]:
    """Splits each stroke into the marks of `count` bristles that lie side by side, each a little off in tone."""
    tangent = paths[:, -1] - paths[:, 0]
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], axis=-1)
    normal /= np.maximum(np.hypot(normal[:, 0], normal[:, 1]), 1e-6)[:, None]
    offsets = (np.arange(count) - (count - 1) / 2) * (width / count)
    moved = paths[:, None] + normal[:, None, None] * offsets[:, None, None]
    toned = colours[:, None] + rng.normal(0, 9, (len(paths), count, 1))
    return moved.reshape(-1, *paths.shape[1:]).astype(np.float32), toned.reshape(-1, 3).astype(np.float32)


def dots(points: Floats, radius: ArrayLike, corners: int = 7) -> Floats:
    """Round dabs as polygons float32[n, corners, 2]."""
    turn = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    circle = np.stack([np.cos(turn), np.sin(turn)], axis=-1)
    radii = np.broadcast_to(np.asarray(radius), len(points))
    return np.asarray((points[:, None] + radii[:, None, None] * circle).astype(np.float32))


class Canvas:
    """A surface that takes strokes. It keeps, beside colour, how thick the paint lies, so that it can be lit."""

    def __init__(self, ground: Floats | Image.Image, size: Size) -> None:
        """Begins on a picture [height, width, 3], or one that is stretched to `size`."""
        image = ground if isinstance(ground, Image.Image) else to_image(ground)
        drawn = (size[0] * _OVERSAMPLING, size[1] * _OVERSAMPLING)
        bands = (*image.resize(drawn, Image.Resampling.BICUBIC).split(), Image.new("L", drawn, 128))
        self._surface = Image.merge("CMYK", bands)  # four plain bands: with RGBA, `reduce` would weigh by the fourth
        self._pen = ImageDraw.Draw(self._surface)

    def lay(self, polygons: Floats, colours: Floats, heights: ArrayLike = 128) -> None:
        """Lays polygons [n, corners, 2] on one another in order, in colours [n, 3] of 0..255, paint 0..255 thick."""
        thickness = np.broadcast_to(np.asarray(heights), len(polygons))
        inks = np.column_stack([colours, thickness]).clip(0, 255).astype(np.uint8).tolist()
        corners = (polygons * _OVERSAMPLING).reshape(len(polygons), -1).tolist()
        for outline, ink in zip(corners, inks, strict=True):
            self._pen.polygon(outline, fill=tuple(ink))

    def picture(self, relief: float = 0.0) -> Floats:
        """What stands on the canvas: float32[height, width, 3], ridges of paint lit from the upper left."""
        layers = np.asarray(self._surface.reduce(_OVERSAMPLING)).astype(np.float32)
        picture, height = layers[..., :3], layers[..., 3]
        if relief:
            slope = np.zeros_like(height)
            slope[1:, 1:] = 2 * height[1:, 1:] - height[:-1, 1:] - height[1:, :-1]
            picture = picture + np.clip(relief * slope, -60, 60)[..., None]
        return picture


def to_image(picture: Floats) -> Image.Image:
    """An RGB image of a picture."""
    return Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))


def stretch(image: Image.Image, size: Size) -> Floats:
    """A small image as a picture of `size`, smoothly."""
    return np.asarray(image.resize(size, Image.Resampling.BICUBIC), dtype=np.float32)


def luminance(picture: Floats) -> Floats:
    """Rec. 601 luma of pictures or colours, float32[...] of 0..255."""
    return np.asarray(0.299 * picture[..., 0] + 0.587 * picture[..., 1] + 0.114 * picture[..., 2])


# --- Grounds: what the paint lies on shows through. Each is float32[height, width] around 1, to multiply with ---------


def weave(rng: Generator, size: Size, period: float, depth: float) -> Floats:
    """A plain-woven canvas: threads of `period` pixels, of uneven thickness."""
    x, y = (np.arange(n, dtype=np.float32) * np.float32(np.pi / period) for n in size)
    warp = np.sin(x[None] + noise(rng, size, (30, 60)))
    weft = np.sin(y[:, None] + noise(rng, size, (60, 30)))
    return np.asarray(1 + np.float32(depth) * (warp * weft + 0.5 * noise(rng, size, 2)))


def panel(rng: Generator, size: Size, depth: float) -> Floats:
    """A wooden panel: long vertical grain."""
    return 1 + np.float32(depth) * (noise(rng, size, (3, 90)) + noise(rng, size, (9, 240)))


def paper(rng: Generator, size: Size, tooth: float, depth: float) -> Floats:
    """Paper: irregular grain, `tooth` pixels wide."""
    return 1 + np.float32(depth) * noise(rng, size, tooth, octaves=2)


def cracks(rng: Generator, size: Size, cell: float, depth: float) -> Floats:
    """Craquelure: thin dark lines between islands of aged varnish about `cell` pixels wide (Worley noise).

    Worley, "A cellular texture basis function", SIGGRAPH 1996: a crack is where the nearest two of the scattered
    points are equally far. Each pixel looks at the nine points around it. Found at half resolution.
    """
    width, height = (n // 2 + 1 for n in size)
    step = cell / 2
    columns, rows = int(width / step) + 3, int(height / step) + 3
    offset = rng.uniform(0.1, 0.9, (rows, columns, 2)).astype(np.float32)
    wobble = 0.12 * noise(rng, (width, height), cell / 4, 2)
    x = np.arange(width, dtype=np.float32)[None] / np.float32(step) + 1 + wobble
    y = np.arange(height, dtype=np.float32)[:, None] / np.float32(step) + 1 + wobble
    column, row = x.astype(np.intp), y.astype(np.intp)
    nearest = np.full((height, width), 9, np.float32)
    second = nearest.copy()
    for down in (-1, 0, 1):
        for across in (-1, 0, 1):
            point = offset[np.clip(row + down, 0, rows - 1), np.clip(column + across, 0, columns - 1)]
            far = np.hypot(column + across + point[..., 0] - x, row + down + point[..., 1] - y)
            second = np.minimum(second, np.maximum(nearest, far))
            nearest = np.minimum(nearest, far)
    gap = Image.fromarray(np.clip(1 - (second - nearest) * np.float32(step / 1.3), 0, 1))
    return 1 - np.float32(depth) * np.asarray(gap.resize(size, Image.Resampling.BILINEAR))
