"""The crop schemes: how a painting becomes records. A new one is a file of this folder and its place in `SCHEMES`."""

from __future__ import annotations

from pipeline.dataset.schemes.crop import Crops
from pipeline.dataset.schemes.grid import Grid
from pipeline.dataset.schemes.reshape import Reshape
from pipeline.dataset.schemes.scheme import Box, Flag, Scheme

__all__ = ["NAMES", "SCHEMES", "Box", "Crops", "Flag", "Grid", "Reshape", "Scheme", "parse_scheme"]

SCHEMES: tuple[type[Scheme], ...] = (Crops, Grid, Reshape)
NAMES = "crop64x16, grid64 or reshape256"  # for messages


def parse_scheme(name: str) -> Scheme:
    """The scheme of that name. Raises ValueError for any other string."""
    for kind in SCHEMES:
        if found := kind.match(name):
            return found
    raise ValueError(f"Expected a scheme such as {NAMES}. Received {name!r}.")
