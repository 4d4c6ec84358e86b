"""The painters of the atelier: who they are, which palettes they mix, and one painting of theirs at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from PIL import Image

from pipeline.atelier import hands, motifs
from pipeline.atelier.brushes import Floats, Size, to_image


@dataclass(frozen=True, slots=True)
class Painter:
    """An invented painter: a row of artists.csv, the palettes of `motifs.PALETTES` they choose from, and a hand."""

    name: str
    years: str
    genre: str
    nationality: str
    bio: str
    palettes: tuple[str, ...]
    hand: Callable[[Generator, Size, Floats], Floats]


# In order of how many paintings each leaves. The names are invented, and hold what real names hold: accents, particles,
# hyphens, apostrophes, letters outside Latin-1. Every palette is shared: colour alone names nobody.
# fmt: off
PAINTERS = (
    Painter(
        "Willem van Rozendraai", "1851 - 1893", "Post-Impressionism", "Dutch",
        "ropes of thick paint that turn around each other",
        ("dusk", "meadow", "harbour", "orchard", "storm"), hands.swirls,
    ),
    Painter(
        "Étienne Vaudoré", "1838 - 1919", "Impressionism", "French",
        "short level touches on a canvas that shows",
        ("harbour", "meadow", "rose", "winter", "dusk"), hands.commas,
    ),
    Painter(
        "Ottavio Serpentello", "1571 - 1612", "Baroque", "Italian",
        "glazes without a visible stroke, cracked with age",
        ("lamp", "ochre", "orchard", "storm", "dusk"), hands.glazes,
    ),
    Painter(
        "Maria-Luísa Cravoalto", "1859 - 1904", "Pointillism", "Portuguese",
        "dots of unmixed colour",
        ("rose", "meadow", "orchard", "harbour", "primary"), hands.points,
    ),
    Painter(
        "Jost Grünspan-Ätzer", "1474 - 1531", "Northern Renaissance", "German",
        "hatched ink and chalk on toned paper",
        ("ochre", "winter", "lamp", "rose", "storm"), hands.hatching,
    ),
    Painter(
        "Tomás de la Peña y Rubio", "1882 - 1968", "Cubism", "Spanish",
        "motifs cut into shaded planes",
        ("ochre", "storm", "winter", "dusk", "lamp"), hands.facets,
    ),
    Painter(
        "Agathe Lemoyne d'Argile", "1899 - 1971", "Expressionism", "Belgian",
        "slabs pulled with the palette knife",
        ("dusk", "primary", "meadow", "harbour", "rose"), hands.knife,
    ),
    Painter(
        "Hanae Mizukusa", "1797 - 1858", "Ukiyo-e", "Japanese",
        "colour prints from planks whose grain shows",
        ("harbour", "rose", "winter", "orchard", "ochre"), hands.woodblock,
    ),
    Painter(
        "Fionn Ó Dúlamháin", "1861 - 1942", "Romanticism", "Irish",
        "transparent pools on white paper",
        ("winter", "meadow", "orchard", "storm", "rose"), hands.washes,
    ),
    Painter(
        "Pieter Zwartlat", "1872 - 1944", "Neoplasticism", "Dutch",
        "fields brushed between dark bars",
        ("primary", "winter", "storm", "meadow", "ochre"), hands.grid,
    ),
    Painter(
        "Kazimierz Brązowy", "1879 - 1935", "Suprematism", "Polish",
        "hard-edged shapes afloat on a bare ground",
        ("primary", "ochre", "winter", "dusk", "rose"), hands.planes,
    ),
    Painter(
        "Dexter Poole", "1912 - 1956", "Abstract Expressionism", "American",
        "poured threads and splashes",
        ("primary", "lamp", "dusk", "ochre", "storm"), hands.drips,
    ),
)
# fmt: on

_STUDIES = 1 / 12  # works painted in another's manner, as pupils did: no attribution should be sure of all of them


def _canvas_size(rng: Generator) -> Size:
    """200 to 1,600 pixels a side, mostly around 500, either way up."""
    long = float(np.clip(np.exp(rng.normal(np.log(560), 0.42)), 260, 1600))
    short = max(200.0, long / rng.uniform(1.0, 1.6))
    width, height = (round(long), round(short)) if rng.random() < 0.5 else (round(short), round(long))
    return width, height


def paint(seed: int, painter: int, index: int) -> Image.Image:
    """The `index`-th painting of a painter: RGB, 200 to 1,600 pixels a side. A function of its arguments alone.

    Args:
      seed: of the gallery, at least 0.
      painter: index into `PAINTERS`.
      index: at least 0.
    """
    rng = np.random.default_rng([seed, painter, index])
    who = PAINTERS[painter]
    size = _canvas_size(rng)
    colours = motifs.palette(rng, rng.choice(who.palettes))
    master = PAINTERS[rng.integers(len(PAINTERS))] if rng.random() < _STUDIES else who
    picture = master.hand(rng, size, colours)
    varnish = rng.normal(1, 0.03, 3) * rng.uniform(0.9, 1.06)
    return to_image(picture * varnish.astype(np.float32))
