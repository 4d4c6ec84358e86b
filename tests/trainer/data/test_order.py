from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from trainer.data.order import Block, block_positions, epoch_blocks, locate

sizes = st.lists(st.integers(1, 50), min_size=1, max_size=30)
seeds = st.integers(0, 2**31 - 1)


def counted(draw: st.DrawFn) -> np.ndarray:
    shards, classes = draw(st.integers(1, 12)), draw(st.integers(1, 6))
    rows = st.lists(st.integers(0, 9), min_size=classes, max_size=classes)
    counts = np.array(draw(st.lists(rows, min_size=shards, max_size=shards)), np.int64)
    counts[0, 0] += 1  # there is a record at all
    return counts


class_counts = st.composite(counted)()


@given(sizes, seeds, st.integers(0, 100), st.integers(1, 500))
def test_every_shard_is_read_once_and_windows_keep_to_their_bytes(
    records: list[int], seed: int, epoch: int, budget: int
) -> None:
    bytes_ = [10 * count for count in records]
    blocks = epoch_blocks(records, bytes_, budget, seed, epoch)
    assert sorted(shard for block in blocks for shard in block.shards) == list(range(len(records)))
    for block in blocks:
        assert len(block.shards) == 1 or sum(bytes_[shard] for shard in block.shards) <= budget
        assert block.length == block.records == sum(records[shard] for shard in block.shards)


@given(st.integers(1, 300), seeds, st.integers(0, 100), st.integers(0, 9))
def test_a_window_is_permuted(records: int, seed: int, epoch: int, number: int) -> None:
    block = Block((0,), records)
    positions = block_positions(block, number, np.zeros(0, np.int64), seed, epoch)
    assert sorted(positions.tolist()) == list(range(records))
    again = block_positions(block, number, np.zeros(0, np.int64), seed, epoch)
    np.testing.assert_array_equal(positions, again)


def test_epochs_and_seeds_differ() -> None:
    def order(seed: int, epoch: int) -> tuple[list[int], list[int]]:
        blocks = epoch_blocks([20] * 50, [20] * 50, 100, seed, epoch)
        return (
            [shard for block in blocks for shard in block.shards],
            block_positions(blocks[0], 0, np.zeros(0, np.int64), seed, epoch).tolist(),
        )

    assert order(0, 0) == order(0, 0)
    for other in (order(0, 1), order(1, 0)):
        assert order(0, 0)[0] != other[0]
        assert order(0, 0)[1] != other[1]


@given(class_counts, seeds, st.integers(1, 60))
def test_balancing_emits_every_class_as_often_as_the_largest(counts: np.ndarray, seed: int, budget: int) -> None:
    sizes = counts.sum(axis=1).tolist()
    blocks = epoch_blocks(sizes, sizes, budget, seed, 0, counts)
    totals = counts.sum(axis=0)
    emitted = np.sum([block.draws for block in blocks], axis=0)
    np.testing.assert_array_equal(emitted, np.where(totals > 0, totals.max(), 0))


@given(class_counts, seeds)
def test_balancing_drops_no_record_and_repeats_evenly_within_a_window(counts: np.ndarray, seed: int) -> None:
    sizes = counts.sum(axis=1).tolist()
    for number, block in enumerate(epoch_blocks(sizes, sizes, 20, seed, 3, counts)):
        held = counts[list(block.shards)].sum(axis=0)
        labels = np.repeat(np.arange(len(held)), held)
        positions = block_positions(block, number, labels, seed, 3)
        assert len(positions) == block.length
        uses = np.bincount(positions, minlength=len(labels))
        for label in np.flatnonzero(held):
            of_class = uses[labels == label]
            assert of_class.min() >= 1
            assert of_class.max() - of_class.min() <= 1


@given(sizes, seeds, st.data())
def test_locate_finds_the_window_of_a_position(records: list[int], seed: int, data: st.DataObject) -> None:
    blocks = epoch_blocks(records, records, 60, seed, 0)
    position = data.draw(st.integers(0, sum(records) - 1))
    number, offset = locate(blocks, position)
    assert sum(block.length for block in blocks[:number]) + offset == position
    assert 0 <= offset < blocks[number].length
