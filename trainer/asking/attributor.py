"""Who painted this? Pictures, asked of a finished run.

There is one way from a file to pixels: the builder's `images.decode` and `images.cut`, its encoding, and the trainer's
`parse.parse_batch`. A picture asked about goes through all of it, so that its crops are, bit by bit, the records
that the builder would have made of it. Decoding is done in processes that a picture may end.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from pipeline.dataset.contract import Contract
from pipeline.pictures.guard import Limits, memory_for
from pipeline.workers.guarded import GuardedPool
from trainer.asking import opening
from trainer.asking.opening import Picture
from trainer.data.parse import parse_batch
from trainer.judging import strangers
from trainer.judging.activation import ActivationMaps, Region
from trainer.judging.calibration import calibrated
from trainer.judging.evaluation import load_model, predicted
from trainer.judging.references import Reference, References
from trainer.judging.voting import pool
from trainer.pages.maps import windows
from trainer.run.expertise import Expertise
from trainer.run.folder import RunFolder

NAMED = 5  # artists named, and paintings shown as evidence
_BATCH = 64  # records per step
_AHEAD = 4  # pictures that each process has opened before they are asked about


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
    """A run's model with all it takes to ask it about pictures; for `with`.

    Args:
      run: to ask.
      max_pixels: larger pictures are refused unopened; None: those larger than what the run was trained on could be.
      max_seconds: of processor time to open a picture; what takes longer is refused.

    Raises:
      RunError: the run has not been trained and evaluated to its end.
    """

    def __init__(self, run: RunFolder, max_pixels: int | None = None, max_seconds: float = Limits().seconds) -> None:
        self.expertise = run.expertise if max_pixels is None else replace(run.expertise, max_pixels=max_pixels)
        self._workers = os.cpu_count() or 1
        self._processes = GuardedPool(self._workers, Limits(max_seconds, memory_for(self.expertise.max_pixels)), True)
        try:
            self._references = References(run)
            self._known = strangers.read(run)
            self._model = load_model(run)
            self._side: int = self._model.input_shape[1]
        except BaseException:
            self._processes.shutdown(wait=False)
            raise
        self._activation: ActivationMaps | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._processes.shutdown(wait=False)

    def open(self, data: bytes) -> Picture:
        """Opens the bytes of a picture file, whole. Raises ImageError with what is wrong with them."""
        return self._processes.submit(opening.open_picture, data, self.expertise, True).result()

    def open_all(self, paths: Iterable[str], whole: bool) -> Iterator[Picture | Exception]:
        """Opens many files, in order, some ahead of the others.

        Yields:
          Of each, the picture; or the OSError or ImageError that says what is wrong with it.
        """
        waiting: deque[Future[Picture]] = deque()

        def next_one() -> Picture | Exception:
            try:
                return waiting.popleft().result()
            except Exception as error:
                return error

        ahead = self._workers * (1 if whole else _AHEAD)  # whole ones take memory
        for path in paths:
            waiting.append(self._processes.submit(opening.open_file, path, self.expertise, whole))
            if len(waiting) > ahead:
                yield next_one()
        while waiting:
            yield next_one()

    def attribute(self, picture: Picture) -> Attribution:
        """Names the likeliest artists of a picture, and the training paintings that are most like it."""
        return self.attribute_all([picture])[0]

    def attribute_all(self, pictures: Sequence[Picture]) -> list[Attribution]:
        """The same of several pictures, whose records pass the network together."""
        found = list(self._predicted([example for picture in pictures for example in picture.examples]))
        scores = np.concatenate([batch["scores"] for batch in found])
        embeddings = np.concatenate([batch["embedding"] for batch in found])
        ends = np.cumsum([len(picture.examples) for picture in pictures])[:-1]
        return [
            self._attribution(picture, pool(some), embedding.mean(axis=0))
            for picture, some, embedding in zip(
                pictures, np.split(scores, ends), np.split(embeddings, ends), strict=True
            )
        ]

    def _attribution(self, picture: Picture, pooled: np.ndarray, embedding: np.ndarray) -> Attribution:
        probabilities = calibrated(pooled, self.expertise.temperature)
        likeliest = np.argsort(-probabilities, kind="stable")[:NAMED]
        known = self._known
        familiarity = float(known.familiarity(pooled[None], embedding[None])[0]) if known else 0.0
        return Attribution(
            ranked=tuple((self.expertise.labels[label], float(probabilities[label])) for label in likeliest),
            unsure=self.expertise.is_unsure(float(probabilities.max())),
            stranger=known.is_stranger(familiarity) if known else None,
            nearest=tuple(self._references.nearest(embedding, NAMED)),
            trained_on=picture.digest[:16] in self._references,
        )

    def _predicted(self, examples: Sequence[bytes]) -> Iterator[dict[str, Any]]:
        """Scores and embeddings of records, `_BATCH` at once."""
        groups = (examples[start : start + _BATCH] for start in range(0, len(examples), _BATCH))
        yield from predicted(self._model, (parse(group, self.expertise, self._side) for group in groups))

    def regions(self, picture: Picture) -> list[Region]:
        """What parts of the whole picture say, for a map: of many overlapping windows, or of the places of a feature
        map where the run looks at whole paintings.

        Raises:
          RunError: a network of such a run that is not built as this project builds them.
        """
        scheme = self.expertise.scheme
        if not scheme.shows_parts:
            return self._places(picture)
        whole = picture.whole
        boxes = windows(whole.width, whole.height, scheme.size)
        found = []
        for batch in self._predicted(opening.examples_at(picture, boxes, self.expertise)):
            probabilities = calibrated(batch["scores"], self.expertise.temperature)
            found += [
                Region(tuple(box), row) for box, row in zip(batch["crop_box"].tolist(), probabilities, strict=True)
            ]
        return found

    def _places(self, picture: Picture) -> list[Region]:
        maps = self._activation = self._activation or ActivationMaps(self._model)
        parsed = parse(picture.examples, self.expertise, self._side)
        (found,) = maps.regions(parsed["image"], parsed["crop_box"], self.expertise.temperature)
        return found


def parse(examples: Sequence[bytes], expertise: Expertise, side: int | None = None) -> dict[str, Any]:
    """Records as `parse_batch` gives them."""
    contract = Contract(
        expertise.scheme, expertise.encoding, expertise.artists, {}, expertise.fingerprint, expertise.seed
    )
    return parse_batch(examples, contract, side)
