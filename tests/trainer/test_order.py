from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from trainer.order import Window, epoch_windows, locate, window_positions

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
    windows = epoch_windows(records, bytes_, budget, seed, epoch)
    assert sorted(shard for window in windows for shard in window.shards) == list(range(len(records)))
    for window in windows:
        assert len(window.shards) == 1 or sum(bytes_[shard] for shard in window.shards) <= budget
        assert window.length == window.records == sum(records[shard] for shard in window.shards)


@given(st.integers(1, 300), seeds, st.integers(0, 100), st.integers(0, 9))
def test_a_window_is_permuted(records: int, seed: int, epoch: int, number: int) -> None:
    window = Window((0,), records)
    positions = window_positions(window, number, np.zeros(0, np.int64), seed, epoch)
    assert sorted(positions.tolist()) == list(range(records))
    again = window_positions(window, number, np.zeros(0, np.int64), seed, epoch)
    np.testing.assert_array_equal(positions, again)


def test_epochs_and_seeds_differ() -> None:
    def order(seed: int, epoch: int) -> tuple[list[int], list[int]]:
        windows = epoch_windows([20] * 50, [20] * 50, 100, seed, epoch)
        return (
            [shard for window in windows for shard in window.shards],
            window_positions(windows[0], 0, np.zeros(0, np.int64), seed, epoch).tolist(),
        )

    assert order(0, 0) == order(0, 0)
    for other in (order(0, 1), order(1, 0)):
        assert order(0, 0)[0] != other[0]
        assert order(0, 0)[1] != other[1]


@given(class_counts, seeds, st.integers(1, 60))
def test_balancing_emits_every_class_as_often_as_the_largest(counts: np.ndarray, seed: int, budget: int) -> None:
    sizes = counts.sum(axis=1).tolist()
    windows = epoch_windows(sizes, sizes, budget, seed, 0, counts)
    totals = counts.sum(axis=0)
    emitted = np.sum([window.draws for window in windows], axis=0)
    np.testing.assert_array_equal(emitted, np.where(totals > 0, totals.max(), 0))


@given(class_counts, seeds)
def test_balancing_drops_no_record_and_repeats_evenly_within_a_window(counts: np.ndarray, seed: int) -> None:
    sizes = counts.sum(axis=1).tolist()
    for number, window in enumerate(epoch_windows(sizes, sizes, 20, seed, 3, counts)):
        held = counts[list(window.shards)].sum(axis=0)
        labels = np.repeat(np.arange(len(held)), held)
        positions = window_positions(window, number, labels, seed, 3)
        assert len(positions) == window.length
        uses = np.bincount(positions, minlength=len(labels))
        for label in np.flatnonzero(held):
            of_class = uses[labels == label]
            assert of_class.min() >= 1
            assert of_class.max() - of_class.min() <= 1


@given(sizes, seeds, st.data())
def test_locate_finds_the_window_of_a_position(records: list[int], seed: int, data: st.DataObject) -> None:
    windows = epoch_windows(records, records, 60, seed, 0)
    position = data.draw(st.integers(0, sum(records) - 1))
    number, offset = locate(windows, position)
    assert sum(window.length for window in windows[:number]) + offset == position
    assert 0 <= offset < windows[number].length
