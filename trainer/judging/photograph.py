"""How much can be told without looking at the painting?

A classifier that sees the photograph alone: how large its file and its picture are, how it was compressed, what else
the file holds. Collections differ in that as they differ in painters, so that a model may seem to know painters and
know collections. Where this one comes near the model, the model has shown little.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.dataset.dataset import Dataset
from pipeline.dataset.paintings import PHOTOGRAPH
from trainer.judging.scores import Tally, headline
from trainer.judging.voting import gather

_TREES = 300
_NAMES = {
    "compression": "compression",
    "profile": "colour profile (there or not)",
    "exif": "EXIF (there or not)",
    "gray": "mean gray",
    "border": "uniform borders",
}


def judge(dataset: Dataset, artists: Sequence[str]) -> dict[str, Any]:
    """Fits a random forest to the facts of the training paintings' files, and judges it on the test paintings.

    Returns:
      "facts": what it saw, in words; "painting": the metrics, as `scores.headline` gives them.
    """
    from sklearn.ensemble import RandomForestClassifier

    seen, labels, _, facts = _table(dataset, "train")
    asked, truth, names, _ = _table(dataset, "test")
    forest = RandomForestClassifier(_TREES, min_samples_leaf=2, class_weight="balanced_subsample", random_state=0)
    forest.fit(seen, labels)
    said = np.full((len(names), len(artists)), 0.0)
    said[:, forest.classes_] = forest.predict_proba(asked)
    batch = {"painting_id": names, "label": truth, "scores": said}
    found = gather([batch], dict.fromkeys(names, 1), works=dataset.works("test"))
    return {"facts": facts, "painting": headline(Tally.of_paintings(found))}


def _table(dataset: Dataset, split: str) -> tuple[np.ndarray, np.ndarray, list[str], list[str]]:
    """(facts float64[n, facts], labels int64[n], painting ids, the facts' names) of a split."""
    rows = list(dataset.paintings("painting_id", "label", "width", "height", "bytes", *PHOTOGRAPH, split=split))
    there = [name for name in PHOTOGRAPH if name in rows[0]]
    table = [[*_shape(row), *(float(row[name]) for name in there)] for row in rows]
    facts = ["size", "shape", "bytes per pixel", *(_NAMES[name] for name in there)]
    return np.array(table), np.array([row["label"] for row in rows]), [row["painting_id"] for row in rows], facts


def _shape(row: Mapping[str, Any]) -> tuple[float, float, float]:
    """Logarithms of size, aspect and bytes per pixel; a table may come from somebody else, and hold a 0."""
    width, height, size = (max(1, row[name]) for name in ("width", "height", "bytes"))
    return float(np.log(width * height)), float(np.log(width / height)), float(np.log(size / (width * height)))
