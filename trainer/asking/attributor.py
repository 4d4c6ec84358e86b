"""Who painted this? One picture, asked of a finished run.

There is one way from a file to pixels: the builder's `images.decode` and `images.cut`, its encoding, and the trainer's
`records.parse_batch`. A picture asked about goes through all of it, so that its crops are, bit by bit, the records
that the builder would have made of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import softmax

from pipeline.dataset.contract import Contract
from pipeline.dataset.example import encode_example
from pipeline.pictures.crops import Crop, cut, encode, window
from pipeline.pictures.decode import Painting, decode
from trainer.asking.activation import ActivationMaps
from trainer.asking.maps import Region, windows
from trainer.data.parse import parse_batch
from trainer.judging import strangers
from trainer.judging.calibration import calibrated
from trainer.judging.evaluation import load_model, predicted
from trainer.judging.references import Reference, References
from trainer.judging.voting import pool
from trainer.run.expertise import Expertise
from trainer.run.folder import RunFolder

NAMED = 5  # artists named, and paintings shown as evidence
_BATCH = 64  # windows of a map per step


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture and the digest of its file, which decides where its crops lie."""

    painting: Painting
    digest: str


@dataclass(frozen=True, slots=True)
class Attribution:
    """What a run says of a picture.

    Attributes:
      ranked: (artist, calibrated probability) of the likeliest artists, likeliest first.
      unsure: the run would rather not say.
      stranger: it looks to be by none of the run's artists; None: a run that cannot tell.
      nearest: the training paintings most like it, nearest first.
      trained_on: the run was trained on this very file: its answer is no evidence.
    """

    ranked: tuple[tuple[str, float], ...]
    unsure: bool
    stranger: bool | None
    nearest: tuple[Reference, ...]
    trained_on: bool

    @property
    def artist(self) -> str:
        """The likeliest artist."""
        return self.ranked[0][0]

    @property
    def probability(self) -> float:
        """The calibrated probability of the likeliest artist."""
        return self.ranked[0][1]


class Attributor:
    """A run's model with all it takes to ask it about pictures.

    Args:
      run: to ask.
      max_pixels: larger pictures are refused unopened; None: those larger than what the run was trained on could be.

    Raises:
      RunError: the run has not been trained and evaluated to its end.
    """

    def __init__(self, run: RunFolder, max_pixels: int | None = None) -> None:
        self.expertise = run.expertise if max_pixels is None else replace(run.expertise, max_pixels=max_pixels)
        self._references = References(run)
        self._known = strangers.read(run)
        self._model = load_model(run)
        self._activation: ActivationMaps | None = None

    def open(self, data: bytes) -> Picture:
        """Decodes the bytes of a picture file. Raises ImageError with what is wrong with them."""
        return open_picture(data, self.expertise)

    def attribute(self, picture: Picture) -> Attribution:
        """Names the likeliest artists of a picture, and the training paintings that are most like it."""
        (batch,) = predicted(self._model, [records_of(picture, self.expertise)])
        pooled, embedding = pool(batch["scores"]), batch["embedding"].mean(axis=0)
        probabilities = calibrated(pooled, self.expertise.temperature)
        likeliest = np.argsort(-probabilities, kind="stable")[:NAMED]
        nearest = self._references.nearest(embedding, NAMED)
        known = self._known
        familiarity = float(known.familiarity(pooled[None], embedding[None])[0]) if known else 0.0
        return Attribution(
            ranked=tuple((self.expertise.labels[label], float(probabilities[label])) for label in likeliest),
            unsure=self.expertise.is_unsure(float(probabilities.max())),
            stranger=known.is_stranger(familiarity) if known else None,
            nearest=tuple(nearest),
            trained_on=picture.digest[:16] in self._references,
        )

    def regions(self, picture: Picture) -> list[Region]:
        """What parts of the whole picture say, for a map: of many overlapping windows, or of the places of a feature
        map where the run looks at whole paintings.

        Raises:
          RunError: a network of such a run that is not built as this project builds them.
        """
        scheme = self.expertise.scheme
        if not scheme.shows_parts:
            return self._places(picture)
        boxes = windows(picture.painting.width, picture.painting.height, scheme.size)
        groups = (boxes[start : start + _BATCH] for start in range(0, len(boxes), _BATCH))
        parsed = (_parsed(picture, self.expertise, _cut_at(picture.painting, group, scheme.size)) for group in groups)
        found = []
        for batch in predicted(self._model, parsed):
            probabilities = calibrated(batch["scores"], self.expertise.temperature)
            found += [
                Region(tuple(box), row) for box, row in zip(batch["crop_box"].tolist(), probabilities, strict=True)
            ]
        return found

    def _places(self, picture: Picture) -> list[Region]:
        maps = self._activation = self._activation or ActivationMaps(self._model)
        (record,) = records_of(picture, self.expertise)["image"]
        said = calibrated(softmax(maps(record), axis=-1), self.expertise.temperature)
        rows, columns = said.shape[:2]
        high, wide = picture.painting.height / rows, picture.painting.width / columns
        return [
            Region((column * wide, row * high, (column + 1) * wide, (row + 1) * high), said[row, column])
            for row in range(rows)
            for column in range(columns)
        ]


def open_picture(data: bytes, expertise: Expertise) -> Picture:
    """Decodes a picture as the builder did. Raises ImageError with what is wrong with its bytes."""
    painting = decode(data, max_pixels=expertise.max_pixels, at_least=expertise.scheme.resolution)
    return Picture(painting, hashlib.sha256(data).hexdigest())


def records_of(picture: Picture, expertise: Expertise) -> dict[str, Any]:
    """The records the builder would make of a picture, as `records.parse_batch` gives them, in numpy; label is 0."""
    return _parsed(picture, expertise, cut(picture.painting, expertise.scheme, expertise.seed, picture.digest))


def _parsed(picture: Picture, expertise: Expertise, crops: Iterable[Crop]) -> dict[str, Any]:
    import tensorflow as tf

    size = (picture.painting.width, picture.painting.height)
    contract = Contract(
        expertise.scheme, expertise.encoding, expertise.artists, {}, expertise.fingerprint, expertise.seed
    )
    serialized = [
        encode_example(encode(crop.pixels, expertise.encoding), 0, picture.digest[:16], crop.index, crop.box, size)
        for crop in crops
    ]
    return {name: value.numpy() for name, value in parse_batch(tf.constant(serialized), contract).items()}


def _cut_at(painting: Painting, boxes: list[tuple[int, int, int, int]], size: int) -> Iterator[Crop]:
    """Crops at places of one's own choosing."""
    for index, box in enumerate(boxes):
        place = (float(box[0]), float(box[1]), float(box[2]), float(box[3]))
        yield Crop(index, place, window(painting, place, size))
