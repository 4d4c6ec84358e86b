"""What did the original work report, and which of our runs may stand beside it?

The figures are those in the comments of the recipes, a line each: `Original: test top-1 0.2614, top-5 0.5738` or
`Original: never run`. They are top-1 and top-5 of test crops on Kaggle's Best Artworks of All Time.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.dataset.schemes import Scheme
from trainer.series import recipe
from trainer.series.recipe import RECIPES, Recipe

REFERENCE_PAINTINGS = 8_446
_LOST = 0.05  # of them, at most: copies count once, and a few files may not open
_LINE = re.compile(r"(?m)^Original: (?:test top-1 (?P<top1>0\.\d+), top-5 (?P<top5>0\.\d+)|(?P<blank>never run))$")

# The names of artists.csv.
REFERENCE_ARTISTS = frozenset(
    (
        *("Albrecht Dürer", "Alfred Sisley", "Amedeo Modigliani", "Andrei Rublev", "Andy Warhol", "Camille Pissarro"),
        *("Caravaggio", "Claude Monet", "Diego Rivera", "Diego Velazquez", "Edgar Degas", "Edouard Manet"),
        *("Edvard Munch", "El Greco", "Eugene Delacroix", "Francisco Goya", "Frida Kahlo", "Georges Seurat"),
        *("Giotto di Bondone", "Gustav Klimt", "Gustave Courbet", "Henri Matisse", "Henri Rousseau"),
        *("Henri de Toulouse-Lautrec", "Hieronymus Bosch", "Jackson Pollock", "Jan van Eyck", "Joan Miro"),
        *("Kazimir Malevich", "Leonardo da Vinci", "Marc Chagall", "Michelangelo", "Mikhail Vrubel", "Pablo Picasso"),
        *("Paul Cezanne", "Paul Gauguin", "Paul Klee", "Peter Paul Rubens", "Piet Mondrian", "Pierre-Auguste Renoir"),
        *("Pieter Bruegel", "Raphael", "Rembrandt", "Rene Magritte", "Salvador Dali", "Sandro Botticelli", "Titian"),
        *("Vasiliy Kandinskiy", "Vincent van Gogh", "William Turner"),
    )
)


@dataclass(frozen=True, slots=True)
class Original:
    """A row of the original table. Both figures are None where it was never run.

    Attributes:
      recipe: that reproduces it.
      top1, top5: of test crops, 0..1.
    """

    recipe: Recipe
    top1: float | None
    top5: float | None


def read(folder: Path = RECIPES) -> tuple[Original, ...]:
    """The rows of the original table, from the recipes that reproduce them."""
    found = []
    for path in sorted(folder.glob("*.flags")):
        one = recipe.read(path)
        if line := _LINE.search(recipe.comment(one)):
            top1, top5 = (None if line["blank"] else float(line[name]) for name in ("top1", "top5"))
            found.append(Original(one, top1, top5))
    return tuple(found)


def match(originals: Iterable[Original], scheme: Scheme, run: Mapping[str, Any]) -> Original | None:
    """The row that a run with these flags reproduces, colours set aside: grayscale twins are found too."""
    coloured = {**run, "grayscale": False}
    return next((original for original in originals if recipe.follows(original.recipe, scheme, coloured)), None)


def is_reference_set(artists: Collection[str], paintings: int) -> bool:
    """Whether a dataset holds the reference set, whole: its 50 artists, and all but a few of its paintings.

    Args:
      artists: the labels.
      paintings: in all splits together.
    """
    whole = (1 - _LOST) * REFERENCE_PAINTINGS <= paintings <= (1 + _LOST) * REFERENCE_PAINTINGS
    return whole and frozenset(artists) == REFERENCE_ARTISTS
