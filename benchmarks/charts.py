"""Charts of benchmarks/results/*.json as SVG, for README and docs/BENCHMARKS.md: bars of rates, curves of memory."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from benchmarks.measure import NAMES
from pipeline.storage import files

OURS, OTHERS, LINE, TEXT = "#c8553d", "#9aa5b1", "#8a8f98", "#7b818a"  # read on white and on dark alike
WIDTH = 7.2  # inches
matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "morelli", "font.family": "sans-serif"})


def bars(rates: Mapping[str, Sequence[float]], ours: str, limit: float, title: str, unit: str, path: Path) -> None:
    """Horizontal bars of medians with their ranges, fastest first; the limit as a line.

    Args:
      rates: contender -> values of some rounds.
      ours: of the contenders, the one that stands out.
      limit: value of the line.
      title: of the chart.
      unit: of the values.
      path: of the SVG file.
    """
    ordered = sorted(rates, key=lambda name: statistics.median(rates[name]))
    figure, axes = _figure(0.32 * len(ordered) + 0.9, title)
    for place, name in enumerate(ordered):
        middle, low, high = statistics.median(rates[name]), min(rates[name]), max(rates[name])
        axes.barh(place, middle, 0.66, color=OURS if name == ours else OTHERS)
        axes.plot([low, high], [place, place], color=TEXT, linewidth=1)
        beside = {"xytext": (5, 0), "textcoords": "offset points", "va": "center", "color": TEXT, "fontsize": 9}
        axes.annotate(f"{middle:,.0f}", (high, place), **beside)
    axes.axvline(limit, color=LINE, linestyle=":", linewidth=1.2)
    axes.text(limit, len(ordered) - 0.45, f"limit {limit:,.0f}", ha="center", va="bottom", color=TEXT, fontsize=9)
    axes.set_yticks(range(len(ordered)), [NAMES[name] for name in ordered])
    axes.set_xlabel(unit, color=TEXT, fontsize=9)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlim(0, 1.12 * max(limit, *(max(some) for some in rates.values())))
    _save(figure, path)


def curves(
    peaks: Mapping[str, Mapping[str, float | None]],
    stopped: Mapping[str, Mapping[str, str]],
    ours: str,
    title: str,
    path: Path,
) -> None:
    """Peak memory against the number of paintings, named at each curve's end.

    Args:
      peaks: contender -> number of paintings -> MiB; None where it ran out of memory.
      stopped: contender -> number of paintings -> why it was not let finish them.
      ours: of the contenders, the one that stands out.
      title: of the chart.
      path: of the SVG file.
    """
    figure, axes = _figure(3.4, title)
    ends = []
    for name, some in peaks.items():
        held = {int(count): peak for count, peak in some.items() if peak is not None}
        colour = OURS if name == ours else OTHERS
        axes.plot(
            list(held), list(held.values()), "o-", color=colour, linewidth=2 if name == ours else 1.2, markersize=4
        )
        last = max(held)
        label = f"{NAMES[name]}, {held[last]:,.0f}"
        if len(held) < len(some):
            label += f"; at {min(int(count) for count in some if int(count) not in held):,} out of memory"
        for why in stopped.get(name, {}).values():
            label += f"; {why}"
        ends.append((held[last], last, label, name))
    span = max(value for value, *_ in ends)
    at = float("-inf")
    for value, count, label, name in sorted(ends):
        at = max(value, at + 0.055 * span)  # names do not lie upon each other
        axes.annotate(
            label,
            (count, at),
            (6, 0),
            textcoords="offset points",
            va="center",
            color=OURS if name == ours else TEXT,
            fontsize=9,
        )
    axes.set_ylim(0, 1.1 * max(span, at))
    axes.set_xlabel("paintings", color=TEXT, fontsize=9)
    axes.set_ylabel("MiB", color=TEXT, fontsize=9)
    axes.set_xticks(sorted({int(count) for some in peaks.values() for count in some}))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    _save(figure, path)


def draw(results: Mapping[str, Any], folder: Path) -> list[Path]:
    """All charts that there are results for.

    Args:
      results: name of a benchmark -> what it wrote.
      folder: for the SVG files.

    Returns:
      Their paths.
    """
    paths = []
    built, read = results.get("build", {}), results.get("read", {})
    for scheme, contenders in built.get("speed", {}).items():
        rates = {name: some["rates"] for name, some in contenders.items() if name in NAMES}
        limit = statistics.median(contenders["limit"]["rates"])
        paths.append(folder / f"benchmark-build-{scheme}.svg")
        title = f"Building {scheme}: paintings per second, whole command"
        bars(rates, "morelli", limit, title, "paintings per second; limit: decoding alone", paths[-1])
    if built.get("memory"):
        paths.append(folder / "benchmark-memory.svg")
        curves(
            built["memory"],
            built.get("stopped", {}),
            "morelli",
            "Building crop64x16: peak memory of all processes",
            paths[-1],
        )
    if fed := results.get("train", {}).get("peak_mib"):
        paths.append(folder / "benchmark-training-memory.svg")
        curves(fed, {}, "streamed", "Training on crops 64x16: peak memory", paths[-1])
    for seen in results.get("feed", {}).get("fed", {}).values():
        if seen["level"] != "windows" or seen["cores"] != max(
            each["cores"] for each in results["feed"]["fed"].values()
        ):
            continue
        rates = {name: some for name, some in seen["rates"].items() if name in NAMES}
        limit = statistics.median(seen["rates"]["decoding"])
        paths.append(folder / f"benchmark-feed-{seen['load'].split()[0]}.svg")
        title = f"Feeding {seen['load']} px, strong augmentation and random windows"
        bars(rates, "ours", limit, title, "pictures per second; limit: decoding or copying alone", paths[-1])
    for load, contenders in read.get("speed", {}).items():
        rates = {name: some["rates"] for name, some in contenders.items() if name in NAMES}
        limit = statistics.median(contenders["limit"]["rates"])
        paths.append(folder / f"benchmark-read-{load.split()[0]}.svg")
        title = f"Feeding shuffled crops of {load} to a training step"
        unit = "records per second; limit: TFRecordDataset, neither shuffled nor parsed"
        bars(rates, "ours", limit, title, unit, paths[-1])
    return paths


def _figure(height: float, title: str) -> tuple[Figure, Any]:
    figure = Figure((WIDTH, height), layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.add_subplot()
    axes.set_title(title, loc="left", color=TEXT, fontsize=11, pad=16)
    axes.tick_params(colors=TEXT, labelsize=9, length=0)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "left")
        spine.set_color(LINE)
    figure.patch.set_alpha(0)
    axes.patch.set_alpha(0)
    return figure, axes


def _save(figure: Figure, path: Path) -> None:
    with files.stream(path) as stream:
        figure.savefig(stream, format="svg", metadata={"Date": None})
