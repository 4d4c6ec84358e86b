"""The hands of the atelier: twelve ways to lay paint, told apart by the stroke and not by what is painted.

A hand is a function of (generator, size, palette). Lengths are pixels of the painting itself, so that a crop at its own
resolution shows the stroke; `_scale` varies them from painting to painting until neighbouring hands overlap.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from PIL import Image

from pipeline.atelier import motifs
from pipeline.atelier.brushes import (
    Canvas,
    Floats,
    Size,
    bristles,
    cracks,
    dots,
    look_up,
    luminance,
    noise,
    panel,
    paper,
    ribbons,
    scatter,
    stretch,
    trace,
    weave,
)


def _scale(rng: Generator) -> float:
    return float(np.exp(rng.normal(0, 0.2)))


def _field(rng: Generator, size: Size, mean: float, spread: float, cell: float) -> Callable[[Floats], Floats]:
    """A field of stroke directions around `mean`, turning by up to `spread` radians over about `cell` pixels."""
    grid = mean + spread * noise(rng, (max(2, size[0] // 6), max(2, size[1] // 6)), cell / 6)
    return lambda points: look_up(grid, size, points)


def swirls(rng: Generator, size: Size, colours: Floats) -> Floats:
    """Long ropes of thick paint that turn around each other."""
    scale = _scale(rng)
    sketch = motifs.sketch(rng, size, colours, (motifs.landscape, motifs.portrait, motifs.landscape, motifs.street))
    canvas = Canvas(sketch, size)
    points = scatter(rng, size, 7.2 * scale)
    angle = _field(rng, size, rng.uniform(0, 2), 2.6, 190 * scale)
    paths = trace(points, angle, rng.uniform(26, 54, len(points)) * scale, stations=5)
    tones = look_up(np.asarray(sketch), size, points) + rng.normal(0, 13, (len(points), 1)) + rng.normal(0, 7, (1, 3))
    thickness = np.repeat(rng.integers(60, 200, len(points)), 2) + np.tile([26, -26], len(points))
    marks, inks = bristles(rng, paths, tones, 6 * scale, 2)
    canvas.lay(ribbons(marks, 4 * scale, 0.7), inks, thickness)
    return canvas.picture(relief=0.2) * weave(rng, size, 2.2, 0.02)[..., None]


def commas(rng: Generator, size: Size, colours: Floats) -> Floats:
    """Short broken touches, mostly level, on a canvas that shows."""
    scale = _scale(rng)
    sketch = motifs.sketch(rng, size, colours, (motifs.seascape, motifs.landscape, motifs.street, motifs.still_life))
    canvas = Canvas(stretch(sketch, size) * 0.6 + 0.4 * colours[4], size)
    points = scatter(rng, size, 5.8 * scale)
    angle = _field(rng, size, rng.normal(0, 0.15), 0.7, 60)
    paths = trace(points, angle, rng.uniform(9, 19, len(points)) * scale, stations=3)
    broken = rng.normal(0, 15, (len(points), 3)) + rng.normal(0, 9, (len(points), 1))
    canvas.lay(
        ribbons(paths, rng.uniform(3.5, 6, len(points)) * scale, 0.6),
        look_up(np.asarray(sketch), size, points) + broken,
        rng.integers(70, 190, len(points)),
    )
    return canvas.picture(relief=0.11) * weave(rng, size, 2.6, 0.05)[..., None]


def points(rng: Generator, size: Size, colours: Floats) -> Floats:
    """Round dots of unmixed colour that mix in the eye."""
    scale = _scale(rng)
    sketch = motifs.sketch(rng, size, colours)
    canvas = Canvas(0.5 * stretch(sketch, size) + 0.5 * colours[4], size)
    points = scatter(rng, size, 4.3 * scale)
    tones = look_up(np.asarray(sketch), size, points).astype(np.float32)
    pure = colours[rng.integers(0, 6, len(points))]
    share = rng.choice([0.0, 0.12, 0.42], len(points))[:, None]
    canvas.lay(
        dots(points, rng.uniform(1.7, 2.9, len(points)) * scale),
        tones + share * (pure - tones) + rng.normal(0, 10, (len(points), 3)),
        rng.integers(110, 160, len(points)),
    )
    return canvas.picture(relief=0.08) * weave(rng, size, 1.9, 0.02)[..., None]


def glazes(rng: Generator, size: Size, colours: Floats) -> Floats:
    """Thin glazes without a visible stroke, light out of the dark, and a net of cracks in the varnish."""
    choice = (motifs.portrait, motifs.portrait, motifs.still_life, motifs.landscape)
    picture = stretch(motifs.sketch(rng, size, colours, choice, blur=1.6), size)
    across, down = (np.linspace(-1, 1, n, dtype=np.float32) for n in size)
    lamp = np.hypot(across[None] - rng.uniform(-0.4, 0.4), down[:, None] - rng.uniform(-0.5, 0.2))
    picture = picture * (0.25 + 0.85 * np.exp(-1.3 * lamp**2))[..., None]
    picture += 7 * noise(rng, size, (14, 40), 3)[..., None] + rng.normal(0, 2.2, (size[1], size[0], 1))
    return np.asarray(picture * (panel(rng, size, 0.035) * cracks(rng, size, 28 * _scale(rng), 0.34))[..., None])


def knife(rng: Generator, size: Size, colours: Floats) -> Floats:
    """Slabs pulled with a palette knife along one slant, edges raised."""
    scale = _scale(rng)
    sketch = motifs.sketch(rng, size, colours, (motifs.street, motifs.landscape, motifs.seascape, motifs.still_life))
    canvas = Canvas(sketch, size)
    points = scatter(rng, size, 10.5 * scale)
    angle = _field(rng, size, rng.choice([-1, 1]) * rng.uniform(0.5, 1.1), 0.5, 120)
    count = len(points)
    paths = trace(points, angle, rng.uniform(18, 40, count) * scale, stations=2)
    width = rng.uniform(9, 19, count) * scale
    tones = look_up(np.asarray(sketch), size, points) + rng.normal(0, 13, (count, 1))
    body = rng.integers(70, 170, count)
    edge = paths + np.stack([rng.normal(0, 1, count), width / 2], axis=-1)[:, None].astype(np.float32)
    slabs = np.stack([ribbons(paths, width, 0), ribbons(edge, 2.2 * scale, 0)], axis=1).reshape(2 * count, 4, 2)
    both = np.stack([tones, tones + rng.normal(10, 12, (count, 1))], axis=1).reshape(2 * count, 3)
    canvas.lay(slabs, both, np.stack([body, body + 70], axis=1).ravel())
    return canvas.picture(relief=0.3) + 5 * noise(rng, size, (2, 11))[..., None]


def hatching(rng: Generator, size: Size, colours: Floats) -> Floats:
    """Ink and white chalk on toned paper: parallel lines, closer and crossed where it is dark."""
    scale = _scale(rng)
    sketch = motifs.sketch(rng, size, colours, (motifs.portrait, motifs.landscape, motifs.still_life, motifs.street))
    wash = stretch(sketch, size)
    ground = 0.62 * (0.55 * colours[4] + 0.45 * colours[2]) + 0.38 * wash
    canvas = Canvas(ground, size)
    tone = luminance(np.asarray(sketch).astype(np.float32))
    rank = (np.argsort(np.argsort(tone, axis=None)) / tone.size).reshape(tone.shape)
    ink = 0.75 * colours[0] + 0.25 * colours[rng.integers(0, 4)]
    first = rng.uniform(0.5, 1.0)
    for turn, limit in ((first, 0.68), (first + 1.2, 0.38), (first + 0.6, 0.17)):
        points = scatter(rng, size, 6.2 * scale)
        points = points[look_up(rank, size, points) < limit * rng.uniform(0.75, 1.2, len(points))]
        angle = _field(rng, size, turn, 0.45, 110)
        paths = trace(points, angle, rng.uniform(12, 30, len(points)) * scale, stations=4)
        canvas.lay(ribbons(paths, rng.uniform(0.9, 1.6, len(points)), 0.7), ink + rng.normal(0, 14, (len(points), 1)))
    points = scatter(rng, size, 6.5 * scale)
    points = points[look_up(rank, size, points) > rng.uniform(0.82, 0.95, len(points))]
    chalk = trace(points, _field(rng, size, first + 0.2, 0.3, 90), 13 * scale, stations=3)
    canvas.lay(ribbons(chalk, 1.5, 0.6), np.tile(colours[4] + 12, (len(points), 1)))
    return canvas.picture() * paper(rng, size, 2.5, 0.05)[..., None]


def washes(rng: Generator, size: Size, colours: Floats) -> Floats:
    """Watercolour: transparent pools with dark rims, white paper left between them."""
    scale = _scale(rng)
    sketch = motifs.sketch(rng, size, colours, (motifs.landscape, motifs.seascape, motifs.still_life, motifs.street))
    tone = stretch(sketch, size) / 255
    white = np.float32(0.96)
    sheet = np.full_like(tone, white)
    dark = 0.55 - tone.mean(axis=-1)
    for strength in (0.45, 0.4, 0.35):
        pool = noise(rng, size, 85 * scale, 4) + rng.uniform(0.0, 0.2) + 0.9 * dark
        body = np.clip(pool * 14, 0, 1)
        rim = np.exp(-((pool - 0.07) ** 2) / 0.0016)
        deposit = strength * body * (1 + 0.3 * noise(rng, size, 7, 2)) + 0.16 * rim
        sheet *= 1 - deposit[..., None] * (1 - np.clip(tone * 0.95, 0.05, 1))
    granulation = paper(rng, size, 3.2 * scale, 0.12)
    shade = 1 - sheet.mean(axis=-1)
    return np.asarray(255 * sheet * (1 + (granulation - 1) * (0.25 + 1.5 * shade))[..., None])


def facets(rng: Generator, size: Size, colours: Floats) -> Floats:
    """The motif broken by straight cuts into planes, each shaded away from one edge with short parallel dabs."""
    scale = _scale(rng)
    sketch = np.asarray(motifs.sketch(rng, size, colours, (motifs.portrait, motifs.still_life, motifs.street)))
    points = scatter(rng, size, 4.8 * scale)
    plane = np.zeros(len(points), np.int64)
    x, y = (np.arange(n, dtype=np.float32) for n in size)
    shade = np.zeros((size[1], size[0]), np.float32)
    for _ in range(max(7, round(max(size) / 75))):
        turn = rng.choice([0.5, 1.05, 2.1, 2.7]) + rng.normal(0, 0.12)
        across, down = np.float32(np.cos(turn)), np.float32(np.sin(turn))
        start = across * rng.uniform(0.05, 0.95) * size[0] + down * rng.uniform(0.05, 0.95) * size[1]
        plane = plane * 2 + (points[:, 0] * across + points[:, 1] * down > start)
        distance = (x * across)[None] + (y * down - np.float32(start))[:, None]
        near = np.exp(-np.abs(distance) / np.float32(30 * scale))
        shade += np.where(distance > 0, np.float32(-62), np.float32(24)) * near
    _, plane = np.unique(plane, return_inverse=True)
    shifts = rng.normal(0, min(size) * 0.05, (plane.max() + 1, 2)).astype(np.float32)
    tones = look_up(sketch, size, points + shifts[plane]) * 0.8 + colours[rng.integers(1, 5, len(shifts))][plane] * 0.25
    heading = rng.normal(0.3, 0.35, len(shifts))[plane]
    paths = trace(points, lambda _: heading, rng.uniform(7, 13, len(points)) * scale, stations=2)
    canvas = Canvas(Image.fromarray(sketch), size)
    tones = tones + rng.normal(0, 7, (len(points), 1))
    canvas.lay(ribbons(paths, 5.8 * scale, 0), tones, rng.integers(90, 170, len(points)))
    return (canvas.picture(relief=0.12) + shade[..., None]) * weave(rng, size, 2.2, 0.03)[..., None]


def woodblock(rng: Generator, size: Size, colours: Floats) -> Floats:
    """A colour print: flat areas, graded bands, keyblock outlines, the grain of the plank."""
    choice = (motifs.landscape, motifs.seascape, motifs.landscape, motifs.portrait)
    sketch = stretch(motifs.sketch(rng, size, colours, choice, blur=0.8), size)
    levels = rng.integers(4, 7)
    area = np.clip(luminance(sketch) / 256 * levels + 0.35 * noise(rng, size, 60, 2), 0, levels - 1e-3).astype(np.intp)
    order = np.argsort(luminance(colours))
    blocks = colours[order][np.linspace(0, 5, levels).round().astype(np.intp)]
    picture = 0.72 * blocks[area] + 0.28 * sketch
    fade = np.clip(1 - np.linspace(0, 1, size[1], dtype=np.float32) / rng.uniform(0.2, 0.4), 0, 1)
    picture += (colours[1] - picture) * (0.75 * fade**1.4)[:, None, None]
    ink = np.zeros(area.shape, np.float32)
    ink[1:] += area[1:] != area[:-1]
    ink[:, 1:] += area[:, 1:] != area[:, :-1]
    key = Image.fromarray((np.clip(ink, 0, 1) * 255).astype(np.uint8)).resize((size[0] // 2, size[1] // 2))
    line = np.clip(np.asarray(key.resize(size, Image.Resampling.BICUBIC), dtype=np.float32) / 90 - 0.4, 0, 1)
    picture += (0.7 * colours[order[0]] - picture) * (0.9 * line)[..., None]
    plank = noise(rng, size, (170, 4 * _scale(rng))) + 0.6 * noise(rng, size, (60, 2))
    return picture * (1 + 0.055 * plank + 0.03 * noise(rng, size, 2))[..., None]


def planes(rng: Generator, size: Size, colours: Floats) -> Floats:
    """Hard-edged shapes afloat on a bare primed ground, each brushed flat in one direction."""
    unit = min(size)
    scale = _scale(rng)
    bare = 0.35 * colours[rng.integers(0, 6)] + 0.65 * colours[4]
    canvas = Canvas(np.broadcast_to(bare, (size[1], size[0], 3)), size)
    slant = rng.uniform(-0.8, 0.8)
    for _ in range(rng.integers(9, 17)):
        centre = rng.uniform(0.05, 0.95, 2) * size
        turn = slant + rng.choice([0, np.pi / 2]) + rng.normal(0, 0.07)
        long, wide = unit * rng.uniform(0.1, 0.7), unit * rng.uniform(0.02, 0.2)
        if rng.random() < 0.2:
            outline = dots(np.array([centre]), wide * 1.2, corners=64)
        else:
            way = np.array([np.cos(turn), np.sin(turn)])
            ends = np.array([[centre - way * long / 2, centre + way * long / 2]], np.float32)
            outline = ribbons(ends, wide, rng.choice([0, 0, 0, 0.8]))
        canvas.lay(outline, colours[[rng.integers(0, 6)]] + rng.normal(0, 8, (1, 3)))
    picture = canvas.picture()
    mask = np.abs(picture - bare).sum(axis=-1) > 20
    brushed = np.where(mask, 6.5 * noise(rng, size, (3 * scale, 70)), 3.5 * noise(rng, size, 3 * scale, 2))
    return picture + brushed[..., None] + rng.normal(0, 1.5, (size[1], size[0], 1))


def grid(rng: Generator, size: Size, colours: Floats) -> Floats:
    """Dark upright and level bars; the fields between them filled with short strokes that follow the bars."""
    scale = _scale(rng)
    width, height = size
    spans = [
        np.concatenate([[0], np.sort(rng.uniform(0.06, 0.94, rng.integers(2, 6))) * length, [length]])
        for length in size
    ]
    columns, rows = len(spans[0]) - 1, len(spans[1]) - 1
    pale = 0.75 * colours[4] + 0.25 * colours[rng.integers(0, 6, (rows, columns))]
    fields = np.where(rng.random((rows, columns, 1)) < 0.5, pale, colours[rng.integers(1, 6, (rows, columns))])
    points = scatter(rng, size, 7 * scale)
    column = np.clip(np.searchsorted(spans[0], points[:, 0]) - 1, 0, columns - 1)
    row = np.clip(np.searchsorted(spans[1], points[:, 1]) - 1, 0, rows - 1)
    upright = rng.random((rows, columns)) < 0.5
    heading = np.where(upright[row, column], np.pi / 2, 0) + rng.normal(0, 0.05, len(points))
    paths = trace(points, lambda _: heading, rng.uniform(14, 30, len(points)) * scale, stations=2)
    canvas = Canvas(np.broadcast_to(colours[4], (height, width, 3)), size)
    tones = fields[row, column] + rng.normal(0, 7, (len(points), 1))
    marks, inks = bristles(rng, paths, tones, 6 * scale, 3)
    canvas.lay(ribbons(marks, 2.4 * scale, 0.2), inks, rng.integers(100, 160, len(marks)))
    thick = rng.uniform(5, 11) * scale
    bars = [((x, -9), (x, height + 9)) for x in spans[0][1:-1]] + [((-9, y), (width + 9, y)) for y in spans[1][1:-1]]
    outlines = ribbons(np.array(bars, np.float32), thick, 0)
    canvas.lay(outlines, np.tile(colours[0] * 0.7, (len(bars), 1)), 150)
    return canvas.picture(relief=0.16) * weave(rng, size, 2.8, 0.025)[..., None]


def drips(rng: Generator, size: Size, colours: Floats) -> Floats:
    """Threads of poured enamel, looping all over, with splashes."""
    scale = _scale(rng)
    sketch = np.asarray(motifs.sketch(rng, size, colours, blur=9))
    canvas = Canvas(0.55 * stretch(Image.fromarray(sketch), size) + 0.45 * colours[rng.choice([2, 4])], size)
    for layer in range(3):
        count = max(6, int(size[0] * size[1] / 3600))
        turn = rng.uniform(0, 2 * np.pi, (count, 1))
        pace = rng.gamma(2.5, 2.2, (count, 1, 1)) * scale
        loops = rng.normal(0, 0.8, (count, 1)) * np.sin(np.arange(40) * rng.uniform(0.1, 0.5, (count, 1)) + turn)
        bend = turn + rng.normal(0, 0.17, (count, 40)).cumsum(axis=1) + loops
        steps = np.stack([np.cos(bend), np.sin(bend)], axis=-1) * pace
        paths = (rng.uniform(-0.05, 1.05, (count, 1, 2)) * size + steps.cumsum(axis=1)).astype(np.float32)
        inks = colours[rng.integers(0, 6, count)] + rng.normal(0, 8, (count, 3))
        canvas.lay(ribbons(paths, rng.gamma(2, 0.8, count) * scale, 0.8), inks, 160 + 25 * layer)
        splashes = scatter(rng, size, 21 * scale)
        drops = colours[rng.integers(0, 6, len(splashes))]
        canvas.lay(dots(splashes, rng.gamma(1.6, 0.75, len(splashes)) * scale, 9), drops, 185)
    return canvas.picture(relief=0.14) * weave(rng, size, 3.2, 0.05)[..., None]
