"""expertise.json: what it takes to attribute a painting with a run's model once the dataset is gone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pipeline.dataset.contract import Artist, Encoding
from pipeline.dataset.schemes import Scheme, parse_scheme


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
    """

    artists: tuple[Artist, ...]
    training_paintings: tuple[int, ...]
    scheme: Scheme
    seed: int
    encoding: Encoding
    temperature: float
    threshold: float | None
    fingerprint: str

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
        return cls(
            **{
                **content,
                "artists": tuple(Artist(**artist) for artist in content["artists"]),
                "training_paintings": tuple(content["training_paintings"]),
                "scheme": parse_scheme(content["scheme"]),
            }
        )
