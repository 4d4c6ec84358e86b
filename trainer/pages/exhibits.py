"""Which judged paintings are worth looking at: the most confident mistakes, and the least sure answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from PIL import Image

from pipeline.pages.html import data_uri
from trainer.judging.activation import Region
from trainer.judging.calibration import calibrated
from trainer.judging.voting import Paintings, ranks
from trainer.pages import maps
from trainer.pages.likenesses import LONGEST, QUALITY, Likeness
from trainer.pages.maps import Share
from trainer.pages.plots import Vote, painting
from trainer.run.expertise import Expertise

SHOWN = 12  # of each gallery
SHARES = 3  # artists that a map names


@dataclass(frozen=True, slots=True)
class Choice:
    """A painting to show. `row` is its place in `Paintings`; `probability` that of the named artist, calibrated."""

    painting_id: str
    row: int
    label: int
    named: int
    probability: float


@dataclass(frozen=True, slots=True)
class Exhibit:
    """A painting as the report shows it.

    Attributes:
      choice: which one.
      file: the name of its file, "" where unknown.
      picture: SVG of the painting with its crops, "" where there is no picture of it any more.
      votes: (letter in the picture, artist, how many crops named that artist, whether that is right).
      map: data URI of the painting, tinted by whom each part speaks for; "" where there is none.
      shares: what the colours of the map stand for.
    """

    choice: Choice
    file: str
    picture: Markup
    votes: tuple[tuple[str, str, int, bool], ...]
    map: str = ""
    shares: tuple[Share, ...] = ()


def choose(paintings: Paintings, expertise: Expertise) -> tuple[list[Choice], list[Choice]]:
    """(the most confident mistakes, the least sure of the others that are left unattributed), `SHOWN` of each."""
    probabilities = calibrated(paintings.scores["mean"], expertise.temperature)
    named, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = ranks(paintings.scores["mean"], paintings.labels) > 0
    unsure = np.array([expertise.is_unsure(value) for value in confidence])

    def pick(rows: Iterable[int]) -> list[Choice]:
        return [
            Choice(paintings.ids[row], row, int(paintings.labels[row]), int(named[row]), float(confidence[row]))
            for row in rows
        ]

    most = np.argsort(-confidence, kind="stable")
    mistakes = most[wrong[most]][:SHOWN]
    least = most[::-1]
    hesitations = least[unsure[least] & ~np.isin(least, mistakes)][:SHOWN]
    return pick(mistakes), pick(hesitations)


def exhibit(
    choice: Choice,
    crops: Sequence[Mapping[str, Any]],
    likeness: Likeness,
    labels: Sequence[str],
    regions: Sequence[Region],
) -> Exhibit:
    """Draws a painting with its crops, and a map of it.

    Args:
      choice: which one.
      crops: its rows of the predictions: crop_index, crop_box, source_size, scores.
      likeness: its file's name and pictures.
      labels: artist names.
      regions: what its parts say; none where that is not known.
    """
    named = [int(np.argmax(crop["scores"])) for crop in crops]
    letters = {label: chr(ord("A") + place) for place, (label, _) in enumerate(Counter(named).most_common())}
    marks = [
        Vote(
            tuple(map(float, crop["crop_box"])),  # type: ignore[arg-type]
            letters[label],
            label == choice.label,
            f"crop {crop['crop_index']}: {labels[label]} {crop['scores'][label]:.0%}",
        )
        for label, crop in zip(named, crops, strict=True)
    ]
    width, height = map(int, crops[0]["source_size"])
    title = f"A painting by {labels[choice.label]}, taken for {labels[choice.named]}, with the crops that voted"
    return Exhibit(
        choice,
        likeness.file,
        painting(width, height, likeness.patches, marks, title) if likeness.patches else Markup(),
        tuple((letters[label], labels[label], n, label == choice.label) for label, n in Counter(named).most_common()),
        *_map(likeness.whole, regions, (width, height), labels),
    )


def _map(
    whole: Image.Image | None, regions: Sequence[Region], size: tuple[int, int], labels: Sequence[str]
) -> tuple[str, tuple[Share, ...]]:
    """The data URI of a small map, and what its colours stand for."""
    if whole is None or not regions:
        return "", ()
    tinted, legend = maps.tint(whole, maps.average(regions, *size), labels, whole.size)
    return data_uri(tinted, LONGEST, QUALITY), tuple(legend[:SHARES])
