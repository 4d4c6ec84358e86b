"""The templates of this package's pages."""

from __future__ import annotations

from pathlib import Path

import jinja2

from pipeline.pages import html

_TEMPLATES = Path(__file__).parents[1] / "templates"


def environment() -> jinja2.Environment:
    """Templates of this package, and what they show numbers with."""
    made = html.environment(_TEMPLATES)
    made.filters["percent"] = percent
    made.filters["between"] = between
    return made


def percent(share: float | None, digits: int = 1) -> str:
    """0.1234 -> "12.3%", None -> "–"."""
    return "–" if share is None else f"{100 * share:.{digits}f}%"


def between(interval: list[float] | None, digits: int = 1) -> str:
    """[0.1, 0.25] -> "10.0–25.0%", None -> "–"."""
    return "–" if interval is None else f"{100 * interval[0]:.{digits}f}–{100 * interval[1]:.{digits}f}%"
