"""Has the model seen a test painting, or a copy of one, in training?

The builder promises that it has not. This looks again, in `paintings.parquet` and in the run's own predictions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
import pyarrow.parquet as pq

from pipeline.dataset.contract import SPLITS
from pipeline.dataset.dataset import Dataset
from trainer.run.folder import RunFolder

_FOUND = {
    "near": "files of the same bytes (SHA-256), and near copies by perceptual hash, put in one group",
    "exact": "files of the same bytes (SHA-256); near copies were not looked for (--dedup=exact)",
    "off": "files of the same bytes (SHA-256) only, and those were kept (--dedup=off)",
}


@dataclass(frozen=True, slots=True)
class LeakCheck:
    """What was looked for across splits, and found.

    Attributes:
      paintings: how many were looked at.
      groups: how many groups of near copies hold more than one painting.
      grouped: paintings in those groups.
      leaks: kind of leak -> how many there are; all zero is what a user hopes for.
      found_by: how copies were looked for when the dataset was built.
    """

    paintings: int
    groups: int
    grouped: int
    leaks: Mapping[str, int]
    found_by: str

    @property
    def clean(self) -> bool:
        """Nothing is in two splits."""
        return not any(self.leaks.values())


def check(run: RunFolder, dataset: Dataset) -> LeakCheck:
    """Looks for anything that is in two splits."""
    paintings = pd.DataFrame(dataset.planned("painting_id", "digest", "group", "split"))
    judged = pq.read_table(run.require(run.predictions), columns=["painting_id", "split"]).to_pandas().drop_duplicates()
    return examine(paintings, judged, str(dataset.contract.build.get("dedup", "")))


def examine(paintings: pd.DataFrame, judged: pd.DataFrame, dedup: str) -> LeakCheck:
    """The check itself, on rows of painting_id, digest, group, split and on rows of painting_id, split as judged."""
    sizes = paintings.groupby("group").size()
    both = judged.merge(paintings, on="painting_id", how="left", suffixes=("", "_listed"))
    return LeakCheck(
        paintings=len(paintings),
        groups=int((sizes > 1).sum()),
        grouped=int(sizes[sizes > 1].sum()),
        leaks={
            "paintings in two splits": _in_two_splits(paintings, "painting_id"),
            "files of the same bytes in two splits": _in_two_splits(paintings, "digest"),
            "groups of near copies in two splits": _in_two_splits(paintings, "group"),
            "paintings judged in another split than the dataset puts them in": int(
                (both["split"] != both["split_listed"]).sum()
            ),
        },
        found_by=_FOUND.get(dedup, "in a way the dataset does not tell"),
    )


def _in_two_splits(paintings: pd.DataFrame, column: str) -> int:
    return int((paintings[paintings["split"].isin(SPLITS)].groupby(column)["split"].nunique() > 1).sum())
