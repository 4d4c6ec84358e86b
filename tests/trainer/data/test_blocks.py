"""Blocks give the records that the order names, and never take back the memory of a batch that is in use."""

from __future__ import annotations

import gc
import io
from pathlib import Path

import numpy as np
import pytest

from pipeline.dataset.dataset import Dataset
from pipeline.dataset.example import decode_example
from pipeline.dataset.frames import read_frames
from pipeline.errors import DamagedShardError
from tests.datasets import make_dataset
from trainer.data import order
from trainer.data.blocks import Blocks
from trainer.data.evaluation import count_classes
from trainer.data.stream import Stream, training_batches

SEED, BATCH = 3, 8


@pytest.fixture(scope="module", params=["raw", "png"])
def stream(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Stream:
    folder = make_dataset(
        tmp_path_factory.mktemp("data"), paintings=60, scheme="crop128x4", encoding=request.param, shards=5
    )
    return Stream(Dataset.open(folder), BATCH, shuffle_mib=8, seed=SEED)


def blocks(stream: Stream) -> Blocks:
    return Blocks(stream.dataset, stream.blocks, SEED, end=3)


def emitted(stream: Stream, epoch: int) -> list[tuple[bytes, int]]:
    """Pictures as stored and labels of an epoch, read the plain way."""
    found = []
    for number, block in enumerate(stream.blocks(epoch)):
        examples = []
        for shard in block.shards:
            path = stream.dataset.shard_path(stream.dataset.contract.splits["train"][shard])
            frames = read_frames(io.BytesIO(Path(path).read_bytes()), path)
            examples += [decode_example(payload) for _, payload in frames]
        labels = np.array([example["label"][0] for example in examples])
        for position in order.block_positions(block, number, labels, SEED, epoch):
            found.append((examples[position]["image"], examples[position]["label"][0]))
    return found


def stored(pictures: np.ndarray, labels: np.ndarray) -> list[tuple[bytes, int]]:
    images = [picture if isinstance(picture, bytes) else picture.tobytes() for picture in pictures]
    return list(zip(images, labels.tolist(), strict=True))


def test_windows_emit_what_their_order_names_across_windows_and_epochs(stream: Stream) -> None:
    assert len(stream.blocks(0)) > 1
    loaded = blocks(stream)
    for epoch in (0, 1):
        expected = emitted(stream, epoch)
        for first in range(0, len(expected) - BATCH + 1, BATCH):
            assert stored(*loaded.take(epoch, first, BATCH)) == expected[first : first + BATCH]


def test_any_place_can_be_asked_for(stream: Stream) -> None:
    loaded = blocks(stream)
    for epoch, first in ((2, 30), (0, 0), (1, 90), (0, 60)):
        assert stored(*loaded.take(epoch, first, BATCH)) == emitted(stream, epoch)[first : first + BATCH]


def test_memory_of_a_batch_is_used_again_only_once_nobody_holds_a_view_of_it(stream: Stream) -> None:
    if stream.dataset.contract.encoding != "raw":
        pytest.skip("only raw pictures lie in memory that is used again")
    loaded = blocks(stream)
    view = loaded.take(0, 0, BATCH)[0][2:5, ::2]
    before, place = view.copy(), view.ctypes.data
    gc.collect()
    held = [loaded.take(0, first, BATCH)[0] for first in range(BATCH, 10 * BATCH, BATCH)]
    np.testing.assert_array_equal(view, before)
    assert len({pictures.ctypes.data for pictures in held}) == len(held)
    del view
    used = {pictures.ctypes.data for pictures in held}
    again = loaded.take(0, 0, BATCH)[0]
    assert again.ctypes.data <= place < again.ctypes.data + again.nbytes
    assert again.ctypes.data not in used


def test_batches_that_are_kept_stay_as_they_were(stream: Stream) -> None:
    kept, copies = [], []
    for images, _, _ in training_batches(stream, 0, epochs=2):
        kept.append(images)
        copies.append(images.numpy().copy())
    for images, copy in zip(kept, copies, strict=True):
        np.testing.assert_array_equal(images.numpy(), copy)


def test_a_shard_that_was_cut_short_after_the_run_began_is_named(tmp_path: Path) -> None:
    folder = make_dataset(tmp_path, paintings=20, scheme="crop32x2")
    dataset = Dataset.open(folder)
    stream = Stream(dataset, 4, shuffle_mib=1, seed=0)
    victim = folder / dataset.contract.splits["train"][0].filename
    victim.write_bytes(victim.read_bytes()[:-10])
    with pytest.raises(DamagedShardError, match=r"it ends there; it was sealed with \d+ bytes") as caught:
        next(training_batches(stream, 0))
    assert caught.value.path == str(victim)


@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize(("key", "past"), [(b"label", 6), (b"image", 20)])  # past the tags and lengths in between
def test_a_record_that_was_damaged_after_the_run_began_is_named(
    tmp_path: Path, balanced: bool, key: bytes, past: int
) -> None:
    folder = make_dataset(tmp_path, paintings=20, scheme="crop32x2")
    dataset = Dataset.open(folder)
    counts = count_classes(dataset) if balanced else None
    stream = Stream(dataset, 4, shuffle_mib=1, seed=0, class_counts=counts)
    victim = folder / dataset.contract.splits["train"][0].filename
    content = bytearray(victim.read_bytes())
    content[content.index(key) + len(key) + past] ^= 1
    victim.write_bytes(content)
    with pytest.raises(DamagedShardError, match="byte 0: the record fails its CRC") as caught:
        list(training_batches(stream, 0))
    assert caught.value.path == str(victim)
