"""Plots of the report as inline SVG: drawn once, coloured by the page's style sheet, in light and in dark.

Every shape has a class and no colour of its own; `templates/report.css` names the colours. Text given to a plot is
escaped. Colours never carry meaning alone: lines differ in dash, marks in shape, cells show their number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

SMALL_SUPPORT = 10  # an artist with fewer judged paintings is marked: the interval is too narrow to be believed


@dataclass(frozen=True, slots=True)
class _Axes:
    """A plotting area: data coordinates to SVG coordinates."""

    width: float
    height: float
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    left: float = 46
    right: float = 14
    top: float = 14
    bottom: float = 40

    def x(self, value: float) -> float:
        low, high = self.x_range
        return round(self.left + (value - low) / (high - low) * (self.width - self.left - self.right), 2)

    def y(self, value: float) -> float:
        low, high = self.y_range
        return round(
            self.height - self.bottom - (value - low) / (high - low) * (self.height - self.top - self.bottom), 2
        )

    def points(self, xs: Sequence[float], ys: Sequence[float]) -> str:
        return " ".join(f"{self.x(x)},{self.y(y)}" for x, y in zip(xs, ys, strict=True))

    def frame(self, x_ticks: Sequence[float], y_ticks: Sequence[float], x_name: str, y_name: str) -> Markup:
        """Grid lines, tick labels and the names of both axes."""
        bottom, middle = self.height - self.bottom, (self.left + self.width - self.right) / 2
        parts = [
            Markup(
                '<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/><text class="tick end" x="{}" y="{}">{}</text>'
            ).format(
                self.left,
                self.width - self.right,
                self.y(tick),
                self.y(tick),
                self.left - 6,
                self.y(tick) + 4,
                f"{tick:g}",
            )
            for tick in y_ticks
        ]
        parts += [
            Markup('<text class="tick middle" x="{}" y="{}">{}</text>').format(self.x(tick), bottom + 16, f"{tick:g}")
            for tick in x_ticks
        ]
        parts.append(
            Markup('<text class="name middle" x="{}" y="{}">{}</text>').format(middle, self.height - 4, x_name)
        )
        parts.append(Markup('<text class="name" x="0" y="10">{}</text>').format(y_name) if y_name else Markup())
        return Markup().join(parts)


def _svg(width: float, height: float, label: str, content: Markup, css: str = "") -> Markup:
    return Markup(
        '<svg class="plot {}" viewBox="0 0 {} {}" preserveAspectRatio="xMinYMid" role="img" aria-label="{}">{}</svg>'
    ).format(css, width, height, label, content)


def _ticks(low: float, high: float, whole: bool = False) -> list[float]:
    from matplotlib.ticker import MaxNLocator

    ticks = MaxNLocator(nbins=5, integer=whole).tick_values(low, high)
    return [float(tick) for tick in ticks if low <= tick <= high]


def learning_curve(epochs: Sequence[dict[str, Any]], metric: str, name: str) -> Markup:
    """Train against validation over epochs, for "loss" or "top1"; the best validation epoch is marked."""
    number = [epoch["epoch"] for epoch in epochs]
    train = [epoch[f"train_{metric}"] for epoch in epochs]
    validation = [epoch[f"validation_{metric}"] for epoch in epochs]
    top = 1.0 if metric == "top1" else 1.05 * max(*train, *validation) or 1.0  # a loss may be 0 all along
    first, last = min(number), max(number)
    axes = _Axes(440, 260, (first - 0.5, last + 0.5) if first == last else (first, last), (0, top), top=24)
    best = (np.argmax if metric == "top1" else np.argmin)(validation)
    content = Markup().join(
        [
            axes.frame(_ticks(first, last, whole=True), _ticks(0, top), "epoch", name),
            Markup('<polyline class="train" points="{}"/>').format(axes.points(number, train)),
            Markup('<polyline class="validation" points="{}"/>').format(axes.points(number, validation)),
            Markup('<circle class="mark" cx="{}" cy="{}" r="4.5"><title>best: {} in epoch {}</title></circle>').format(
                axes.x(number[best]), axes.y(validation[best]), f"{validation[best]:.3f}", number[best]
            ),
        ]
    )
    label = f"{name} over {len(epochs)} epochs: training ends at {train[-1]:.3f}, validation at {validation[-1]:.3f}"
    return _svg(440, 260, label, content)


def growth_curve(growth: Sequence[dict[str, Any]]) -> Markup:
    """Top-1 (solid) and macro-F1 (dashed) over growing numbers of training paintings; a disc for each draw."""
    paintings = [point["paintings"] for point in growth]
    axes = _Axes(440, 260, (0, 1.05 * max(paintings)), (0, 1), top=24)
    content = [axes.frame(_ticks(0, max(paintings), whole=True), _ticks(0, 1), "training paintings", "per painting")]
    for key, css in (("top1", "validation"), ("macro_f1", "train")):
        means = [float(np.mean(point[key])) for point in growth]
        content.append(Markup('<polyline class="{}" points="{}"/>').format(css, axes.points(paintings, means)))
        content += [
            Markup('<circle class="mark" cx="{}" cy="{}" r="3"><title>{}</title></circle>').format(
                axes.x(point["paintings"]), axes.y(value), f"{value:.3f}"
            )
            for point in growth
            for value in point[key]
        ]
    ends = ", ".join(f"{point['share']:.0%}: top-1 {np.mean(point['top1']):.3f}" for point in growth)
    return _svg(440, 260, f"scores with growing shares of the training paintings; {ends}", Markup().join(content))


def reliability_diagram(calibration: dict[str, Any]) -> Markup:
    """Confidence against accuracy, before (hollow squares) and after (discs with intervals) the temperature."""
    axes = _Axes(440, 400, (0, 1), (0, 1), top=24)
    ticks = (0, 0.2, 0.4, 0.6, 0.8, 1)
    parts = [
        axes.frame(ticks, ticks, "what the model says (mean confidence)", "what is right (share of paintings)"),
        Markup('<polyline class="ideal" points="{}"/>').format(axes.points((0, 1), (0, 1))),
    ]
    for row in calibration["before"]["bins"]:
        x, y = axes.x(row["confidence"]), axes.y(row["accuracy"])
        parts.append(Markup('<rect class="before" x="{}" y="{}" width="8" height="8"/>').format(x - 4, y - 4))
    for row in calibration["after"]["bins"]:
        x, y = axes.x(row["confidence"]), axes.y(row["accuracy"])
        low, high = row["interval"]
        parts.append(
            Markup('<line class="whisker" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(x, x, axes.y(low), axes.y(high))
        )
        parts.append(
            Markup(
                '<circle class="after" cx="{}" cy="{}" r="{}"><title>{} paintings: says {}, right {}</title></circle>'
            ).format(
                x,
                y,
                round(3 + 7 * (row["paintings"] / _most(calibration)) ** 0.5, 1),
                row["paintings"],
                f"{row['confidence']:.0%}",
                f"{row['accuracy']:.0%}",
            )
        )
    error = calibration["after"]["expected_calibration_error"]
    return _svg(440, 400, f"Reliability diagram; expected calibration error {error:.3f}", Markup().join(parts))


def _most(calibration: dict[str, Any]) -> int:
    return int(max(row["paintings"] for row in calibration["after"]["bins"]))


def confusion_matrix(confusion: dict[str, Any], artists: Sequence[str], movements: Sequence[str]) -> Markup:
    """Rows are the true artists, columns the named ones; the deeper, the larger the share of the row.

    Args:
      confusion: of `confusion.confusion`.
      artists, movements: in label order; movements are told apart by thin lines.
    """
    order, matrix = confusion["order"], np.array(confusion["matrix"])
    count = len(order)
    cell = 40 if count <= 15 else 18
    names = [artists[index] for index in order]
    margin = 8 + 6.6 * max(map(len, names))
    width, height = margin + cell * count + 8, margin + cell * count + 8
    parts = []
    for row, name in enumerate(names):
        support = matrix[row].sum()
        middle = margin + cell * (row + 0.5)
        parts.append(
            Markup('<text class="artist end" x="{}" y="{}">{}</text>').format(margin - 6, round(middle + 4, 1), name)
        )
        parts.append(
            Markup('<text class="artist" transform="translate({} {}) rotate(-90)">{}</text>').format(
                round(middle + 4, 1), margin - 6, name
            )
        )
        for column in np.flatnonzero(matrix[row]):
            share = matrix[row, column] / support
            parts.append(
                Markup(
                    '<g class="{}{}"><title>{} taken for {}: {} of {}</title>'
                    '<rect x="{}" y="{}" width="{}" height="{}" fill-opacity="{}"/><text x="{}" y="{}">{}</text></g>'
                ).format(
                    "hit" if row == column else "miss",
                    " deep" if share > 0.55 else "",
                    name,
                    names[column],
                    matrix[row, column],
                    support,
                    round(margin + cell * column + 0.5, 1),
                    round(margin + cell * row + 0.5, 1),
                    cell - 1,
                    cell - 1,
                    round(0.12 + 0.88 * share, 3),
                    round(margin + cell * (column + 0.5), 1),
                    round(middle + 4, 1),
                    matrix[row, column],
                )
            )
    borders = [0, *(at for at in range(1, count) if movements[order[at]] != movements[order[at - 1]]), count]
    for at in borders:
        place, end = round(margin + cell * at, 1), round(margin + cell * count, 1)
        parts.append(
            Markup('<path class="border" d="M{} {}H{}M{} {}V{}"/>').format(
                round(margin, 1), place, end, place, round(margin, 1), end
            )
        )
    label = f"Confusion matrix of {int(matrix.sum())} paintings by {count} artists, ordered by movement"
    svg = _svg(round(width), round(height), label, Markup().join(parts), "matrix")
    return Markup(
        '<div class="scroll" tabindex="0" role="region" aria-label="Confusion matrix" style="--width: {}px">{}</div>'
    ).format(round(width), svg)


def whisker(value: float | None, interval: Sequence[float] | None, baseline: float | None = None) -> Markup:
    """A share 0..1 on a line with its interval; a small bar marks the baseline."""
    if value is None:
        return Markup()
    low, high = interval or (value, value)
    parts = [Markup('<line class="grid" x1="4" x2="116" y1="9" y2="9"/>')]
    if baseline is not None:
        at = round(4 + 112 * baseline, 1)
        parts.append(Markup('<line class="baseline" x1="{}" x2="{}" y1="2" y2="16"/>').format(at, at))
    span = round(4 + 112 * low, 1), round(4 + 112 * high, 1)
    parts.append(Markup('<line class="whisker" x1="{}" x2="{}" y1="9" y2="9"/>').format(*span))
    parts.append(Markup('<circle class="after" cx="{}" cy="9" r="4"/>').format(round(4 + 112 * value, 1)))
    return Markup('<svg class="whiskers" viewBox="0 0 120 18" aria-hidden="true">{}</svg>').format(Markup().join(parts))


@dataclass(frozen=True, slots=True)
class Patch:
    """A JPEG (as a data URI) and where it lies on the painting: left, top, right, bottom in its pixels."""

    box: tuple[float, float, float, float]
    uri: str


@dataclass(frozen=True, slots=True)
class Vote:
    """A crop's box and whom it named: `letter` stands for that artist beside the picture."""

    box: tuple[float, float, float, float]
    letter: str
    right: bool
    text: str


def painting(width: int, height: int, patches: Sequence[Patch], votes: Sequence[Vote], label: str) -> Markup:
    """A painting, or those windows of it that there are, with its crops' boxes and what they voted."""
    unit = max(width, height) / 240  # one pixel of a picture shown 240 pixels long
    parts = [Markup('<rect class="ground" width="{}" height="{}"/>').format(width, height)]
    parts += [
        Markup('<image x="{}" y="{}" width="{}" height="{}" preserveAspectRatio="none" href="{}"/>').format(
            patch.box[0], patch.box[1], patch.box[2] - patch.box[0], patch.box[3] - patch.box[1], patch.uri
        )
        for patch in patches
    ]
    for vote in votes:
        left, top, right, bottom = vote.box
        parts.append(
            Markup(
                '<g class="vote {}"><title>{}</title><rect class="halo" x="{}" y="{}" width="{}" height="{}"/>'
                '<rect x="{}" y="{}" width="{}" height="{}"/><text x="{}" y="{}" font-size="{}">{}</text></g>'
            ).format(
                "right" if vote.right else "wrong",
                vote.text,
                left,
                top,
                right - left,
                bottom - top,
                left,
                top,
                right - left,
                bottom - top,
                round(left + 3 * unit, 1),
                round(top + 12 * unit, 1),
                round(11 * unit, 1),
                vote.letter,
            )
        )
    return _svg(width, height, label, Markup().join(parts), "painting")
