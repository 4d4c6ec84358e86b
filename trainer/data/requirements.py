"""Is a dataset one that a run can learn from and be judged on? Asked before TensorFlow is loaded."""

from __future__ import annotations

from pipeline.dataset.contract import SPLITS
from pipeline.dataset.dataset import Dataset
from pipeline.errors import DatasetError

_PURPOSE = {"train": "to learn from", "validation": "to choose the best epoch by", "test": "to be judged on"}


def check_dataset(dataset: Dataset) -> None:
    """Says what a dataset lacks.

    Raises:
      DatasetError: it holds one artist only, a split is empty, or a shard is missing or of another size.
    """
    labels = dataset.contract.labels
    if len(labels) < 2:
        raise DatasetError(
            f"{dataset.folder} holds paintings of {labels[0] if labels else 'no artist'} only: there is nobody to tell "
            "them apart from. Build it again with two artists or more; --data_dir expects a folder with one folder "
            "for each artist in it."
        )
    dataset.check_shards(*SPLITS)
    for split in SPLITS:
        if not dataset.contract.records(split):
            ratios = dataset.contract.build.get("splits")
            built = f", which was built with --splits={ratios}," if ratios else ""
            raise DatasetError(
                f"The {split} split of {dataset.folder}{built} is empty: a run has nothing {_PURPOSE[split]}. Build "
                "the dataset again with a share for each split (--splits=80/10/10 --overwrite), of artists with three "
                "paintings or more."
            )
