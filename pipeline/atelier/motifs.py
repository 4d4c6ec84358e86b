"""What the painters of the atelier paint: palettes and motifs that they share, so that neither gives a painter away.

A motif is a small soft picture (about a quarter of the painting's resolution) from which a painter takes colours.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageColor, ImageDraw, ImageFilter

from pipeline.atelier.brushes import Floats, Size, noise, stretch

Motif = Callable[[Generator, Size, Floats], Image.Image]

# dark, cool, warm, middle, light, accent
PALETTES = {
    "dusk": "#1e2238 #3d5a80 #c8553d #7a6f9b #f2cc8f #e07a5f",
    "harbour": "#14242e #2f6690 #b08968 #5f9ea0 #e9edde #d1495b",
    "orchard": "#20301c #4f772d #c9a227 #84a059 #f1f0cc #bc4b32",
    "ochre": "#2b1d14 #6b705c #b5651d #a98467 #f0dfc0 #8a2c1f",
    "winter": "#22262e #6c8ea4 #a8937e #9fb3bd #f3f5f4 #c1666b",
    "lamp": "#120d0a #33302b #9c5518 #5e4326 #f3d9a4 #a3201d",
    "rose": "#33202a #7b8ea8 #d8a48f #a7728a #f8e9e0 #c3423f",
    "meadow": "#163028 #2a9d8f #e9c46a #6fae7c #f5f3d7 #e76f51",
    "primary": "#161616 #1f4e9b #e2b714 #8c8f8a #f2efe6 #c5281c",
    "storm": "#171b22 #415a77 #7d6b58 #778da9 #e0e1dd #b08d57",
}


def palette(rng: Generator, name: str) -> Floats:
    """The six colours of a palette, float32[6, 3] of 0..255, as mixed for one painting: never twice the same."""
    colours = np.array([ImageColor.getrgb(c) for c in PALETTES[name].split()], np.float32)
    grey = colours.mean(axis=1, keepdims=True)
    mixed = grey + (colours - grey) * rng.uniform(0.55, 1.25)
    mixed = mixed * rng.uniform(0.82, 1.15) * rng.normal(1, 0.06, (1, 3)) + rng.normal(0, 9, (6, 3))
    return np.asarray(np.clip(mixed, 4, 251).astype(np.float32))


def _ink(colour: Floats) -> tuple[int, int, int]:
    red, green, blue = np.clip(colour, 0, 255).astype(int).tolist()
    return red, green, blue


def _mix(a: Floats, b: Floats, share: float) -> Floats:
    return a + (b - a) * np.float32(share)


def _gradient(size: Size, top: Floats, bottom: Floats) -> Image.Image:
    column = np.linspace(top, bottom, size[1])[:, None].clip(0, 255).astype(np.uint8)
    return Image.fromarray(column).resize(size)


def _blob(draw: ImageDraw.ImageDraw, centre: tuple[float, float], radii: tuple[float, float], colour: Floats) -> None:
    (x, y), (rx, ry) = centre, radii
    draw.ellipse((x - rx, y - ry, x + rx, y + ry), fill=_ink(colour))


def landscape(rng: Generator, size: Size, colours: Floats) -> Image.Image:
    """Hills under a sky, a low sun, trees."""
    dark, cool, warm, middle, light, accent = colours
    width, height = size
    image = _gradient(size, cool, _mix(light, warm, rng.uniform(0, 0.5)))
    draw = ImageDraw.Draw(image)
    unit = min(size)
    horizon = height * rng.uniform(0.3, 0.6)
    _blob(draw, (width * rng.uniform(0.1, 0.9), horizon - unit * rng.uniform(0, 0.2)), (unit * 0.07,) * 2, accent)
    for layer in range(4):
        crest = horizon + layer * (height - horizon) / 4 + noise(rng, (width, 2), width / 3, 3)[0] * height * 0.12
        outline = [(0, height), *enumerate(crest.tolist()), (width, height)]
        colour = _mix(_mix(cool, middle, 0.6), (warm, middle, dark, warm)[layer], 0.25 + layer * 0.22)
        draw.polygon(outline, fill=_ink(colour + rng.normal(0, 12, 3)))
        for _ in range(rng.integers(0, 4)):
            x, tall = rng.uniform(0, width), unit * rng.uniform(0.04, 0.09) * (1 + layer)
            base = crest[min(int(x), width - 1)] + tall * 0.2
            draw.rectangle((x - tall * 0.06, base - tall * 0.4, x + tall * 0.06, base), fill=_ink(dark))
            _blob(draw, (x, base - tall * 0.8), (tall * 0.4, tall * 0.6), _mix(dark, middle, rng.uniform(0, 0.7)))
    return image


def seascape(rng: Generator, size: Size, colours: Floats) -> Image.Image:
    """Water with reflections, sails, clouds."""
    dark, cool, warm, middle, light, accent = colours
    width, height = size
    unit = min(size)
    horizon = round(height * rng.uniform(0.35, 0.65))
    image = _gradient(size, _mix(cool, light, 0.3), light)
    image.paste(_gradient((width, height - horizon), middle, _mix(dark, cool, 0.6)), (0, horizon))
    draw = ImageDraw.Draw(image)
    for _ in range(rng.integers(4, 9)):
        at = (rng.uniform(0, width), rng.uniform(0, horizon * 0.8))
        _blob(draw, at, (unit * rng.uniform(0.1, 0.3), unit * rng.uniform(0.02, 0.06)), _mix(light, warm, rng.random()))
    for _ in range(rng.integers(40, 80)):
        x, y = rng.uniform(0, width), rng.uniform(horizon, height)
        reach = unit * 0.12 * (y - horizon) / (height - horizon) + 1
        draw.line((x - reach, y, x + reach, y), fill=_ink(_mix(cool, light, rng.random())), width=1 + int(reach / 6))
    for _ in range(rng.integers(2, 6)):
        x, y = rng.uniform(0.1, 0.9) * width, horizon + rng.uniform(0, 0.25) * (height - horizon)
        tall = unit * rng.uniform(0.08, 0.28)
        colour = (light, warm, accent)[rng.integers(3)]
        draw.polygon([(x, y - tall), (x + tall * 0.45, y), (x, y)], fill=_ink(colour))
        draw.polygon([(x - tall * 0.3, y), (x + tall * 0.5, y), (x + tall * 0.3, y + tall * 0.14)], fill=_ink(dark))
        draw.line((x, y + tall * 0.2, x, y + tall * 0.8), fill=_ink(colour), width=max(1, int(tall / 9)))
    return image


def portrait(rng: Generator, size: Size, colours: Floats) -> Image.Image:
    """A head and shoulders before a wall, lit from one side."""
    dark, cool, warm, middle, light, accent = colours
    width, height = size
    unit = min(width, height)
    image = _gradient(size, _mix(dark, cool, rng.random()), _mix(dark, middle, rng.random()))
    draw = ImageDraw.Draw(image)
    x, y, head = width * rng.uniform(0.38, 0.62), height * rng.uniform(0.36, 0.46), unit * rng.uniform(0.15, 0.21)
    cloth = (accent, cool, dark, middle)[rng.integers(4)]
    side = rng.choice([-1, 1])
    _blob(draw, (x, height * 1.12), (head * 2.6, height * 1.12 - y - head * 1.0), cloth)
    _blob(draw, (x + side * head, height * 1.12), (head * 1.1, height - y - head * 0.9), _mix(cloth, light, 0.25))
    flesh = _mix(_mix(warm, light, 0.55), accent, 0.12)
    hair = _mix(dark, warm, rng.uniform(0, 0.6))
    _blob(draw, (x, y - head * 0.15), (head * 1.05, head * 1.25), hair)
    draw.rectangle((x - head * 0.35, y, x + head * 0.35, y + head * 1.6), fill=_ink(_mix(flesh, dark, 0.35)))
    _blob(draw, (x, y + head * 0.1), (head * 0.78, head * 1.05), _mix(flesh, dark, 0.3))
    _blob(draw, (x + side * head * 0.18, y + head * 0.06), (head * 0.58, head * 0.92), flesh)
    for eye in (-0.3, 0.34):
        _blob(draw, (x + (eye + side * 0.1) * head, y - head * 0.02), (head * 0.13, head * 0.07), dark)
    _blob(draw, (x + side * head * 0.12, y + head * 0.62), (head * 0.22, head * 0.07), accent)
    if rng.random() < 0.4:
        _blob(draw, (x, y - head * 0.85), (head * 1.5, head * 0.3), accent)
    return image


def still_life(rng: Generator, size: Size, colours: Floats) -> Image.Image:
    """Fruit and a jug on a table."""
    dark, cool, warm, middle, light, accent = colours
    width, height = size
    unit = min(size)
    edge = height * rng.uniform(0.5, 0.66)
    image = _gradient(size, _mix(dark, cool, rng.uniform(0.2, 1)), _mix(middle, dark, 0.4))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, edge, width, height), fill=_ink(_mix(warm, light, rng.uniform(0, 0.8))))
    x, tall = width * rng.uniform(0.2, 0.8), unit * rng.uniform(0.3, 0.42)
    draw.rectangle((x - tall * 0.16, edge - tall, x + tall * 0.16, edge), fill=_ink(cool))
    _blob(draw, (x, edge - tall * 0.25), (tall * 0.42, tall * 0.45), _mix(cool, middle, 0.4))
    _blob(draw, (x - tall * 0.14, edge - tall * 0.38), (tall * 0.08, tall * 0.16), light)
    for _ in range(rng.integers(5, 10)):
        radius = unit * rng.uniform(0.06, 0.12)
        x, y = rng.uniform(0.08, 0.92) * width, edge + rng.uniform(-0.4, 0.7) * (height - edge)
        colour = (accent, warm, middle, _mix(accent, light, 0.4))[rng.integers(4)] + rng.normal(0, 14, 3)
        _blob(draw, (x + radius * 0.3, y + radius * 0.75), (radius * 1.2, radius * 0.4), _mix(dark, warm, 0.3))
        _blob(draw, (x, y), (radius, radius), _mix(colour, dark, 0.35))
        _blob(draw, (x - radius * 0.18, y - radius * 0.18), (radius * 0.75,) * 2, colour)
        _blob(draw, (x - radius * 0.38, y - radius * 0.4), (radius * 0.22,) * 2, light)
    return image


def street(rng: Generator, size: Size, colours: Floats) -> Image.Image:
    """Houses along a street."""
    dark, cool, warm, middle, light, accent = colours
    width, height = size
    image = _gradient(size, _mix(cool, light, 0.4), light)
    draw = ImageDraw.Draw(image)
    floor = height * rng.uniform(0.72, 0.85)
    x = -width * rng.uniform(0, 0.1)
    while x < width:
        wide, top = width * rng.uniform(0.14, 0.28), height * rng.uniform(0.12, 0.45)
        wall = _mix((warm, middle, light, accent)[rng.integers(4)], dark, rng.uniform(0, 0.35))
        draw.rectangle((x, top, x + wide, floor), fill=_ink(wall))
        peak = top - wide * rng.uniform(0.2, 0.6)
        draw.polygon([(x, top), (x + wide / 2, peak), (x + wide, top)], fill=_ink(_mix(dark, accent, rng.random())))
        pane = wide / 5
        for row in np.arange(top + pane, floor - pane, pane * 2):
            for column in (x + pane * 0.8, x + pane * 2.9):
                draw.rectangle(
                    (column, row, column + pane, row + pane * 1.2), fill=_ink(_mix(dark, cool, rng.random()))
                )
        x += wide
    draw.rectangle((0, floor, width, height), fill=_ink(_mix(middle, dark, 0.3)))
    for _ in range(rng.integers(3, 9)):
        x, tall = rng.uniform(0, width), height * rng.uniform(0.07, 0.12)
        y = floor + rng.uniform(0.1, 0.9) * (height - floor)
        _blob(draw, (x, y - tall * 0.5), (tall * 0.2, tall * 0.5), _mix(dark, accent, rng.random() * 0.5))
        _blob(draw, (x, y - tall * 1.05), (tall * 0.13,) * 2, warm)
    return image


FIGURATIVE: tuple[Motif, ...] = (landscape, seascape, portrait, still_life, street)


def sketch(
    rng: Generator, size: Size, colours: Floats, choice: tuple[Motif, ...] = FIGURATIVE, blur: float = 1.2
) -> Image.Image:
    """One of the motifs at a quarter of `size`, its edges softened by `blur` pixels and its areas made uneven."""
    small = (max(48, size[0] // 4), max(48, size[1] // 4))
    image = choice[rng.integers(len(choice))](rng, small, colours).filter(ImageFilter.GaussianBlur(blur))
    cloud = noise(rng, small, min(small) / 3, 3)[..., None]
    return Image.fromarray(np.clip(stretch(image, small) + 14 * cloud, 0, 255).astype(np.uint8))
