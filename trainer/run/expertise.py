"""expertise.json: what it takes to attribute a painting with a run's model once the dataset is gone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, get_args

from pipeline.dataset.contract import Artist, Encoding
from pipeline.dataset.schemes import Scheme, parse_scheme
from pipeline.pictures.limits import DEFAULT_MAX_PIXELS

MAX_SECONDS_HELP = "Refuse a picture whose opening takes more processor time than this."
MAX_PIXELS_HELP = (
    "Refuse larger pictures unopened; one takes 3 bytes of memory for each pixel. Default: what the run's dataset was "
    "built with."
)


@dataclass(frozen=True, slots=True)
class Expertise:
    """What a run knows beside its model.

    Attributes:
      artists: the labels, in label order.
      training_paintings: how many of each artist the model was trained on.
      scheme, seed, encoding: how the dataset cut and stored its crops.
      temperature: makes scores probabilities (`calibration.calibrated`).
      threshold: the probability below which the attribution is "unsure"; None: it always is.
      fingerprint: of the dataset.
      max_pixels: the dataset was built of pictures no larger; larger ones are refused unopened.
      data_dir: the folder that the dataset was built from; training paintings are shown that still lie below it.
    """

    artists: tuple[Artist, ...]
    training_paintings: tuple[int, ...]
    scheme: Scheme
    seed: int
    encoding: Encoding
    temperature: float
    threshold: float | None
    fingerprint: str
    max_pixels: int = DEFAULT_MAX_PIXELS  # of runs that do not say it
    data_dir: str = ""  # likewise: no painting of theirs is opened

    @property
    def labels(self) -> tuple[str, ...]:
        """Artist names, in label order."""
        return tuple(artist.name for artist in self.artists)

    def is_unsure(self, probability: float) -> bool:
        """Whether a painting whose likeliest artist has this calibrated probability is left unattributed."""
        return self.threshold is None or probability < self.threshold

    def to_dict(self) -> dict[str, Any]:
        """The JSON value that `from_dict` reads."""
        return {**asdict(self), "scheme": self.scheme.name}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Expertise:
        """The inverse of `to_dict`. Raises TypeError, ValueError or KeyError where it is something else."""
        found = cls(
            **{
                **content,
                "artists": tuple(Artist(**artist) for artist in content["artists"]),
                "training_paintings": tuple(content["training_paintings"]),
                "scheme": parse_scheme(content["scheme"]),
            }
        )
        wrong = [name for name, is_right in found._checks().items() if not is_right]
        if wrong:
            raise ValueError(f"{', '.join(wrong)}: not what a run writes")
        return found

    def _checks(self) -> dict[str, bool]:
        """Whether each value is one that a run may have written, by the attribute's name."""
        texts = [text for artist in self.artists for text in asdict(artist).values()]
        return {
            "artists": bool(self.artists) and all(isinstance(text, str) for text in texts),
            "training_paintings": len(self.training_paintings) == len(self.artists)
            and all(_is_count(paintings) for paintings in self.training_paintings),
            "seed": type(self.seed) is int,
            "encoding": self.encoding in get_args(Encoding),
            "temperature": _is_number(self.temperature) and self.temperature > 0,
            "threshold": self.threshold is None or (_is_number(self.threshold) and self.threshold >= 0),
            "fingerprint": isinstance(self.fingerprint, str),
            "max_pixels": _is_count(self.max_pixels) and self.max_pixels > 0,
            "data_dir": isinstance(self.data_dir, str),
        }


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]
