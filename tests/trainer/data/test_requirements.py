"""What a dataset must hold for a run to learn from it and be judged on it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.dataset.contract import SPLITS
from pipeline.dataset.dataset import Dataset
from pipeline.errors import DatasetError
from tests.datasets import make_dataset
from trainer.data.requirements import check_dataset


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return Dataset.open(make_dataset(tmp_path_factory.mktemp("whole"), scheme="crop32x4"))


def test_two_artists_in_three_splits_will_do(whole: Dataset) -> None:
    check_dataset(whole)


def test_one_artist_is_nobody_to_tell_apart(tmp_path: Path) -> None:
    dataset = Dataset.open(make_dataset(tmp_path, artists=1, scheme="crop32x4"))
    with pytest.raises(DatasetError, match=r"Ada Umber only: .* a folder with one folder for each artist"):
        check_dataset(dataset)


@pytest.mark.parametrize("split", SPLITS)
def test_an_empty_split_is_named_with_the_flag_that_made_it_so(whole: Dataset, split: str) -> None:
    contract = replace(
        whole.contract, splits={**whole.contract.splits, split: ()}, build={**whole.contract.build, "splits": "80/20/0"}
    )
    with pytest.raises(DatasetError, match=rf"The {split} split .* --splits=80/20/0, is empty: .*--splits=80/10/10"):
        check_dataset(Dataset(whole.folder, contract))


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    dataset = Dataset.open(make_dataset(tmp_path, scheme="crop32x4"))
    Path(dataset.shard_path(dataset.contract.splits["test"][0])).unlink()
    with pytest.raises(DatasetError, match="is missing"):
        check_dataset(dataset)
