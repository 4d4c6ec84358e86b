"""Who is taken for whom, and does the mistake stay within a movement?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn import metrics

from pipeline.dataset.contract import Artist

PAIRS = 10


def movements(artist: Artist) -> tuple[str, ...]:
    """The movements artists.csv names ("Realism,Impressionism"), the first being the main one; () where unknown."""
    return tuple(part for part in (part.strip() for part in artist.genre.split(",")) if part)


def order_by_movement(artists: Sequence[Artist]) -> list[int]:
    """Label indices ordered by (main movement, name); artists without one come last."""
    return sorted(
        range(len(artists)),
        key=lambda index: (not movements(artists[index]), movements(artists[index])[:1], artists[index].name),
    )


def confusion(labels: np.ndarray, answers: np.ndarray, artists: Sequence[Artist]) -> dict[str, Any]:
    """Mistakes of n paintings, for `results.json`.

    Args:
      labels: int[n], true artists.
      answers: int[n], named artists.
      artists: in label order.

    Returns:
      order: label indices as rows and columns of `matrix` are ordered, by movement.
      matrix: int[artists][artists], rows the true, columns the named artists.
      movement: mistakes "within" a movement, "across" movements, and of "unknown" movement; the "within_share" of the
        known ones; and "within_share_by_chance", what that share would be if each mistake had drawn its artist from all
        others as often as the model names them. Two artists share a movement if artists.csv gives both one of the same
        name.
      pairs: the ten most confused, as {"artists": [a, b], "first_as_second", "second_as_first", "paintings"}.
    """
    matrix = metrics.confusion_matrix(labels, answers, labels=range(len(artists)))
    order = order_by_movement(artists)
    return {
        "order": order,
        "matrix": matrix[np.ix_(order, order)].tolist(),
        "movement": _movement(matrix, artists),
        "pairs": _pairs(matrix, artists),
    }


def _movement(matrix: np.ndarray, artists: Sequence[Artist]) -> dict[str, Any]:
    named = [set(movements(artist)) for artist in artists]
    mistakes = matrix * ~np.eye(len(artists), dtype=bool)
    known = np.array([bool(of) for of in named])
    known = known[:, None] & known[None, :]
    same = np.array([[bool(one & other) for other in named] for one in named])
    within, counted = int(mistakes[same].sum()), int(mistakes[known].sum())

    often = np.where(known, matrix.sum(axis=0)[None, :], 0) * ~np.eye(len(artists), dtype=bool)
    total = often.sum(axis=1)
    chance = np.divide((often * same).sum(axis=1), total, out=np.zeros(len(artists)), where=total > 0)
    weight = (mistakes * known).sum(axis=1)
    return {
        "within": within,
        "across": counted - within,
        "unknown": int(mistakes.sum()) - counted,
        "within_share": within / counted if counted else None,
        "within_share_by_chance": float((chance * weight).sum() / counted) if counted else None,
    }


def _pairs(matrix: np.ndarray, artists: Sequence[Artist]) -> list[dict[str, Any]]:
    support = matrix.sum(axis=1)
    both = matrix + matrix.T
    first, second = np.triu_indices(len(artists), k=1)
    worst = np.argsort(-both[first, second], kind="stable")[:PAIRS]
    return [
        {
            "artists": [artists[a].name, artists[b].name],
            "first_as_second": int(matrix[a, b]),
            "second_as_first": int(matrix[b, a]),
            "paintings": [int(support[a]), int(support[b])],
        }
        for a, b in zip(first[worst], second[worst], strict=True)
        if both[a, b]
    ]
