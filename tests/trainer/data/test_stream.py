from __future__ import annotations

import operator
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from pipeline.dataset.dataset import Dataset
from pipeline.dataset.frames import read_frames
from pipeline.errors import DamagedShardError
from pipeline.storage.cache import FileCache
from tests.datasets import crops, make_dataset
from trainer.data.evaluation import count_classes
from trainer.data.stream import Stream, training_batches

WEIGHTS = (9, 5, 3, 1)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("data"), paintings=60, scheme="crop32x4", weights=WEIGHTS, shards=5)


def stream(folder: Path, **changes: object) -> Stream:
    settings = {"batch_size": 16, "shuffle_mib": 1, "seed": 3, **changes}
    return Stream(Dataset.open(folder), **settings)  # type: ignore[arg-type]


def taken(batches: object) -> list[tuple[bytes, ...]]:
    return [tuple(each.numpy().tobytes() for each in batch) for batch in batches]  # type: ignore[attr-defined]


def test_an_epoch_shows_every_record_at_most_once_and_all_but_the_last_piece(dataset: Path) -> None:
    flow = stream(dataset)
    seen: Counter[bytes] = Counter()
    for images, targets, _ in training_batches(flow, 0):
        assert images.shape == (16, 32, 32, 3)
        np.testing.assert_array_equal(targets.numpy().sum(axis=1), 1)
        seen.update(image.tobytes() for image in images.numpy())
    there = crops(dataset, "train")
    assert not seen - there
    assert there.total() - seen.total() == there.total() % 16
    assert seen.total() == 16 * flow.steps_per_epoch


@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize("shuffle_mib", [1, 64])
def test_starting_in_the_middle_gives_the_rest_of_the_epoch(dataset: Path, balanced: bool, shuffle_mib: int) -> None:
    counts = count_classes(Dataset.open(dataset)) if balanced else None
    flow = stream(dataset, class_counts=counts, resized_crop=True, side=24, shuffle_mib=shuffle_mib)
    whole = taken(training_batches(flow, 2))
    assert len(whole) == flow.steps_per_epoch
    for first in (1, len(whole) // 2, len(whole) - 1):
        assert taken(training_batches(flow, 2, first)) == whole[first:]


def test_a_dataset_that_is_cached_is_not_needed_any_more(tmp_path: Path) -> None:
    folder = make_dataset(tmp_path / "data", paintings=60, scheme="crop32x4", weights=WEIGHTS, shards=5)
    cache = FileCache(tmp_path / "cache", 2**30)
    flow, cached = (Stream(Dataset.open(folder, each), batch_size=16, shuffle_mib=1, seed=3) for each in (None, cache))
    expected = [taken(training_batches(flow, epoch)) for epoch in (0, 1)]
    assert taken(training_batches(cached, 0)) == expected[0]
    for shard in cached.dataset.contract.splits["train"]:
        (folder / shard.filename).unlink()
    assert taken(training_batches(cached, 1)) == expected[1]


def test_epochs_come_in_different_orders(dataset: Path) -> None:
    flow = stream(dataset)
    assert taken(training_batches(flow, 0)) != taken(training_batches(flow, 1))


def test_balanced_sampling_shows_all_classes_alike(dataset: Path) -> None:
    counts = count_classes(Dataset.open(dataset))
    flow = stream(dataset, class_counts=counts, batch_size=1)
    shown = sum(target.numpy().sum(axis=0) for _, target, _ in training_batches(flow, 0))
    np.testing.assert_array_equal(shown, np.full(4, counts.sum(axis=0).max()))


def test_two_workers_share_the_batches_of_one(dataset: Path) -> None:
    settings = {"resized_crop": True, "side": 20}
    alone = taken(training_batches(stream(dataset, **settings), 0))
    parts = [taken(training_batches(stream(dataset, worker=worker, workers=2, **settings), 0)) for worker in (0, 1)]
    assert [tuple(map(operator.add, *both)) for both in zip(*parts, strict=True)] == alone


def test_a_flipped_bit_is_named_with_its_record_while_training(tmp_path: Path) -> None:
    folder = make_dataset(tmp_path, paintings=40, scheme="crop32x2")
    dataset = Dataset.open(folder)
    victim = folder / dataset.contract.splits["train"][2].filename
    content = bytearray(victim.read_bytes())
    with victim.open("rb") as file:
        offsets = [offset for offset, _ in read_frames(file, str(victim))]
    content[offsets[3] + 100] ^= 1
    victim.write_bytes(content)
    with pytest.raises(DamagedShardError) as caught:
        for _ in training_batches(stream(folder, batch_size=4), 0):
            pass
    assert caught.value.path == str(victim)
    assert caught.value.offset == offsets[3]
