"""Is a painting by none of the artists that a run knows?

A painter the run has never seen is not one of its artists, and the likeliest of them is then no answer. Two signs are
added up: how undecided the scores are (their entropy), and how far the embedding lies from the nearest artist, in
units of how far an artist's own paintings lie from each other (Mahalanobis distance with a shrunk covariance; Lee et
al. 2018, arXiv:1807.03888). Each is measured in standard deviations over validation paintings; they err on different
painters. What either was worth alone, and what else was tried: docs/EXPERIMENTS.md.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from pipeline.storage import files
from trainer.errors import RunError
from trainer.judging.voting import SMALLEST
from trainer.run.folder import RunFolder

TURNED_AWAY = 0.05  # of known paintings, at most
_SHRINKAGE = 0.75  # of the covariance, towards a multiple of the identity
_DIRECTIONS = 64  # of the largest variance that are kept; more changed nothing
_ENTROPY_COUNTS = 2.0  # beside the distance


@dataclass(frozen=True, slots=True)
class KnownArtists:
    """Where the paintings of known artists lie.

    Attributes:
      scale: float32[features], what embeddings are multiplied by.
      centres: float32[artists, features], the mean scaled embedding of each artist that has training paintings.
      directions: float32[d, features], of unit length, in which an artist's paintings differ most.
      gains: float32[d] in 0..1, by how much a distance in that direction counts less.
      floor: float64[], the variance in all other directions.
      entropies, distances: float64[2], mean and standard deviation over validation paintings.
      threshold: float64[], the familiarity below which a painting is by none of these artists.
    """

    scale: np.ndarray
    centres: np.ndarray
    directions: np.ndarray
    gains: np.ndarray
    floor: np.ndarray
    entropies: np.ndarray
    distances: np.ndarray
    threshold: np.ndarray

    def familiarity(self, scores: np.ndarray, embeddings: np.ndarray) -> np.ndarray:
        """How well paintings fit to the known artists, float64[n]; 0 is usual for a known one, less is stranger.

        Args:
          scores: float[n, artists], pooled and not calibrated.
          embeddings: float[n, features], means of each painting's crops.
        """
        undecided = (_entropy(scores) - self.entropies[0]) / self.entropies[1]
        far = (self._distance(embeddings) - self.distances[0]) / self.distances[1]
        return np.asarray(-(_ENTROPY_COUNTS * undecided + far) / (_ENTROPY_COUNTS + 1))

    def is_stranger(self, familiarity: float) -> bool:
        """Whether a painting of that familiarity is by none of the known artists."""
        return bool(familiarity < self.threshold)

    def _distance(self, embeddings: np.ndarray) -> np.ndarray:
        """Squared Mahalanobis distance to the nearest centre, per feature: float64[n]."""
        scaled = embeddings * self.scale
        nearest = np.full(len(scaled), np.inf)
        for centre in self.centres:
            offset = scaled - centre
            along = offset @ self.directions.T
            squared = (offset**2).sum(axis=1) - (along**2 * self.gains).sum(axis=1)
            nearest = np.minimum(nearest, squared)
        return np.asarray(nearest / (self.floor * len(self.scale)), np.float64)


def _entropy(scores: np.ndarray) -> np.ndarray:
    scores = np.asarray(scores, np.float64)
    return np.asarray(-(scores * np.log(np.maximum(scores, SMALLEST))).sum(axis=1))


def learn(
    embeddings: np.ndarray, labels: np.ndarray, known_scores: np.ndarray, known_embeddings: np.ndarray
) -> KnownArtists:
    """What training paintings and validation paintings teach of known artists.

    Args:
      embeddings: float32[n, features], of the training paintings.
      labels: int64[n].
      known_scores: float[m, artists], of the validation paintings, by a model that has not learned from them.
      known_embeddings: float32[m, features].
    """
    from sklearn.utils.extmath import randomized_svd

    scale = (1 / np.maximum(embeddings.std(axis=0), 1e-6)).astype(np.float32)
    scaled = embeddings * scale
    present, place = np.unique(labels, return_inverse=True)
    centres = np.stack([scaled[place == each].mean(axis=0) for each in range(len(present))])
    around = scaled - centres[place]
    rank = min(_DIRECTIONS, *around.shape)
    _, lengths, directions = randomized_svd(around, rank, random_state=0)
    variances = (1 - _SHRINKAGE) * lengths**2 / len(around)
    floor = max(_SHRINKAGE * float((around**2).mean()), 1e-12)  # of artists of one painting each, nothing varies
    nothing = np.array([0.0, 1.0])
    found = KnownArtists(
        scale=scale,
        centres=centres.astype(np.float32),
        directions=directions.astype(np.float32),
        gains=(variances / (variances + floor)).astype(np.float32),
        floor=np.array(floor),
        entropies=nothing,
        distances=nothing,
        threshold=np.array(0.0),
    )
    found = replace(
        found, entropies=_usual(_entropy(known_scores)), distances=_usual(found._distance(known_embeddings))
    )
    return replace(found, threshold=np.array(threshold(found.familiarity(known_scores, known_embeddings))))


def _usual(values: np.ndarray) -> np.ndarray:
    return np.array([values.mean(), max(float(values.std()), 1e-6)])


def threshold(familiarities: np.ndarray) -> float:
    """The largest value below which lie at most `TURNED_AWAY` of these."""
    return float(np.sort(familiarities)[int(TURNED_AWAY * len(familiarities))])


def write(run: RunFolder, known: KnownArtists) -> None:
    """Writes strangers.npz into the run's folder."""
    with files.stream(run.strangers) as stream:
        np.savez(stream, **{field.name: getattr(known, field.name) for field in fields(KnownArtists)})


def read(run: RunFolder) -> KnownArtists | None:
    """What `write` wrote; None of a run that was evaluated before there was such a file.

    Raises:
      RunError: it is damaged.
    """
    if not run.strangers.is_file():
        return None
    try:
        with np.load(run.strangers, allow_pickle=False) as archive:
            found = KnownArtists(**{field.name: archive[field.name] for field in fields(KnownArtists)})
        _check(found)
    except Exception as error:  # zipfile, zlib and NumPy say in many ways that bytes are not what was written
        raise RunError(f"{run.strangers} is damaged ({error}). {run.remake}") from error
    return found


def _check(found: KnownArtists) -> None:
    """Raises ValueError for arrays that do not go together."""
    features, directions = found.scale.shape[-1], found.gains.shape[-1]
    shapes = {
        "scale": (features,),
        "centres": (len(found.centres), features),
        "directions": (directions, features),
        "gains": (directions,),
        "entropies": (2,),
        "distances": (2,),
        "floor": (),
        "threshold": (),
    }
    for name, shape in shapes.items():
        held = getattr(found, name)
        if held.shape != shape or held.dtype.kind != "f" or not np.isfinite(held).all():
            raise ValueError(f"{name} is not what a run writes")
