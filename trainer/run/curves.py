"""learning_curves.png: loss and top-1 over epochs, train against validation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pipeline.storage import files

_BLUE, _VERMILION, _GREEN = "#0072b2", "#d55e00", "#009e73"  # Okabe and Ito's, apart for colour-blind eyes


def draw(history: Sequence[dict[str, Any]], path: Path) -> None:
    """Draws the epochs of metrics.jsonl."""
    epochs = [line["epoch"] for line in history]
    figure = Figure(figsize=(10, 4), layout="constrained")
    FigureCanvasAgg(figure)
    loss, top1 = figure.subplots(1, 2)
    series = (
        (loss, "train_loss", "train (augmented)", _BLUE, "-"),
        (loss, "validation_loss", "validation, crops", _VERMILION, "--"),
        (top1, "train_top1", "train (augmented)", _BLUE, "-"),
        (top1, "validation_top1", "validation, crops", _VERMILION, "--"),
        (top1, "validation_painting_top1", "validation, paintings", _GREEN, ":"),
    )
    for axes, name, label, colour, style in series:
        marker = "o" if len(epochs) < 2 else None
        axes.plot(epochs, [line[name] for line in history], style, color=colour, label=label, marker=marker)
    loss.set_ylabel("cross-entropy, nats")
    top1.set_ylabel("top-1")
    top1.set_ylim(0, 1)
    for axes in (loss, top1):
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        axes.legend()
    with files.stream(path) as stream:
        figure.savefig(stream, dpi=120, format="png")
