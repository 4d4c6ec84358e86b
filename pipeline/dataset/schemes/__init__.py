"""The crop schemes: how a painting becomes records. A new one is a file of this folder and its place in `SCHEMES`."""

from __future__ import annotations

import re

from pipeline.dataset.schemes.crop import Crops
from pipeline.dataset.schemes.grid import Grid
from pipeline.dataset.schemes.reshape import Reshape
from pipeline.dataset.schemes.scheme import Box, Flag, Scheme
from pipeline.storage import plain

__all__ = [
    "BY_NAME",
    "NAMES",
    "SCHEMES",
    "Box",
    "Crops",
    "Flag",
    "Grid",
    "Reshape",
    "Scheme",
    "is_scheme",
    "parse_scheme",
]

SCHEMES: tuple[type[Scheme], ...] = (Crops, Grid, Reshape)
NAMES = "crop64x16, grid64 or reshape256"  # for messages


def parse_scheme(name: str) -> Scheme:
    """The scheme of that name. Raises ValueError for any other string."""
    for kind in SCHEMES:
        if found := kind.match(name):
            return found
    raise ValueError(f"Expected a scheme such as {NAMES}. Received {name!r}.")


def is_scheme(name: str) -> bool:
    """Whether a name is that of a scheme, such as a dataset's folder has."""
    return any(re.fullmatch(kind.pattern, name) for kind in SCHEMES)


BY_NAME: plain.Named = ((Scheme, parse_scheme),)  # how plain data names them
