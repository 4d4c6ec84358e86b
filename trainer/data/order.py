"""In which order does an epoch read its records? Pure: shard sizes, seed and epoch in, blocks and positions out.

The order of an epoch is decided in two draws. The shards are permuted and grouped into blocks that fit a memory
budget; then all records of a block are permuted at once. What this trades against a streaming shuffle buffer: a record
can only change places within its block, so the mix is as good as the block is large, but any position of the epoch is
found by adding up block lengths. Resuming reads one block, wherever in the epoch it is, and no state but
(seed, epoch, batch) needs saving. The builder deals paintings to shards by hash, so that a block is a fair sample of
the dataset at the start.

The same scheme under other names: `py1b` of mosaicml/streaming, index shuffling by blocks in WebDataset's successors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_SHARDS, _RECORDS = 0, 1  # what a draw is for; keeps the random streams of one (seed, epoch) apart


@dataclass(frozen=True, slots=True)
class Block:
    """Shards that are read and shuffled together.

    Attributes:
      shards: their numbers, in reading order.
      records: how many records they hold.
      draws: how many records of each class to emit; None emits each record once.
    """

    shards: tuple[int, ...]
    records: int
    draws: tuple[int, ...] | None = None

    @property
    def length(self) -> int:
        """How many records the block emits."""
        return self.records if self.draws is None else sum(self.draws)


def epoch_blocks(
    shard_records: Sequence[int],
    shard_bytes: Sequence[int],
    block_bytes: int,
    seed: int,
    epoch: int,
    class_counts: np.ndarray | None = None,
) -> list[Block]:
    """The blocks of an epoch, in the order they are read.

    Without `class_counts` every record is emitted exactly once. With them, every class is emitted as often as the
    largest has records: those of a rare class are repeated, none of a common one is dropped, and within a class the
    repeats differ by at most one per block that holds it. A block emits its share of each class, so that the balance
    holds at every stretch of the epoch, as far as a block holds the class at all.

    Args:
      shard_records, shard_bytes: of each shard.
      block_bytes: a block holds at most this much, but always at least one shard.
      seed, epoch: decide the order.
      class_counts: int64[shards, classes], to balance the classes.
    """
    permuted = np.random.default_rng([seed, epoch, _SHARDS]).permutation(len(shard_records))
    groups: list[list[int]] = []
    filled = 0
    for shard in permuted.tolist():
        if not groups or filled + shard_bytes[shard] > block_bytes:
            groups.append([])
            filled = 0
        groups[-1].append(shard)
        filled += shard_bytes[shard]
    sizes = [sum(shard_records[shard] for shard in group) for group in groups]
    if class_counts is None:
        return [Block(tuple(group), size) for group, size in zip(groups, sizes, strict=True)]

    per_block = np.stack([class_counts[group].sum(axis=0) for group in groups])
    seen = np.cumsum(per_block, axis=0)
    totals = seen[-1]
    # Rounding the running total, not each block, makes every class end at exactly the size of the largest.
    emitted = seen * totals.max() // np.maximum(totals, 1)
    draws = np.diff(emitted, axis=0, prepend=0)
    return [
        Block(tuple(group), size, tuple(draw)) for group, size, draw in zip(groups, sizes, draws.tolist(), strict=True)
    ]


def block_positions(block: Block, number: int, labels: np.ndarray, seed: int, epoch: int) -> np.ndarray:
    """Which records of a block to emit, in order.

    Args:
      block: of `epoch_blocks`.
      number: its place in the epoch.
      labels: int64[records], of the records as read; looked at only where the block balances classes.
      seed, epoch: as for `epoch_blocks`.

    Returns:
      int64[block.length], each in 0 .. records - 1.
    """
    rng = np.random.default_rng([seed, epoch, _RECORDS, number])
    if block.draws is None:
        return rng.permutation(block.records)
    chosen = []
    for label, wanted in enumerate(block.draws):
        members = rng.permutation(np.flatnonzero(labels == label))
        chosen.append(np.resize(members, wanted))  # repeats the permuted members until there are enough
    return rng.permutation(np.concatenate(chosen))


def locate(blocks: Sequence[Block], position: int) -> tuple[int, int]:
    """(number of the block, offset in it) of the `position`-th record an epoch emits."""
    for number, block in enumerate(blocks):
        if position < block.length:
            return number, position
        position -= block.length
    return len(blocks), 0
