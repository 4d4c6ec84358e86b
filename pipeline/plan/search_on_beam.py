"""The search for alike hashes, by the workers of a Beam runner.

Hashes lie in blocks, files that all workers see: pairs of blocks are compared with each other, and for LSH what has one
key of a table is brought together. Candidates then go to where the second looks of their one row lie, and, if these are
to decide, to where those of the other are: a million unrelated paintings make half a million such pairs. What has been
compared is counted, and so is what was to be.
"""

from __future__ import annotations

import functools
import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from pipeline.pictures.likeness import HASH_BYTES, LOOK_BYTES
from pipeline.plan.near import agree, is_doubtful
from pipeline.plan.order import keyed_order
from pipeline.plan.search import (
    BLOCK,
    KEY_BITS,
    TABLES,
    WHOLE,
    Found,
    Search,
    Side,
    block_pairs,
    distinct,
    first_of_same,
    in_table,
    lsh_keys,
    searches,
    within,
)
from pipeline.storage import files
from pipeline.workers.beam import import_beam, run_pipeline

HASHED = np.dtype([("row", "<i8"), ("hash", "u1", HASH_BYTES), ("inner", "u1", HASH_BYTES)])
_SIDE = np.dtype([("row", "<i8"), ("hash", "u1", HASH_BYTES)])
_CANDIDATE = np.dtype("<i8")
_BLOCK, _SAME, _LOOKS, _CANDIDATES, _COMPARED = "hashes", "same", "looks", "candidates", "compared"
_PART_BITS = 32  # of an id of a row, which are above those of its place in its part
_PLACE = (1 << _PART_BITS) - 1


def row_ids(part: int, rows: int) -> np.ndarray:
    """int64[rows]: ids of the rows of a part, in the order of rows; nobody needs to know how many others have."""
    return (part << _PART_BITS) + np.arange(rows)


def row_numbers(ids: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """The rows of such ids. `starts`: int64[parts], the first row of each part."""
    return np.asarray(starts[ids >> _PART_BITS] + (ids & _PLACE))


def blocks_of(paintings: int) -> int:
    """How many blocks so many paintings' hashes are cut into."""
    return max(1, -(-paintings // BLOCK))


def by_block(hashed: np.ndarray, blocks: int) -> Iterator[tuple[int, bytes]]:
    """(block, its share) of HASHED[n]; those of one hash come to one block, and all blocks have about as many."""
    order = [int.from_bytes(keyed_order(0, row["hash"].tobytes().hex())[:4], "big") for row in hashed]
    numbers = np.array(order, np.int64) * blocks >> 32
    for block in np.unique(numbers).tolist():
        yield block, hashed[numbers == block].tobytes()


def write_block(shares: tuple[int, Iterable[bytes]], folder: str) -> None:
    """Writes a block: the first rows of hashes, in order, and beside it the other rows, with that first one of each."""
    block, contents = shares
    hashed = np.frombuffer(b"".join(contents), HASHED)
    hashed = hashed[np.argsort(hashed["row"])]
    first = first_of_same(hashed["hash"])
    own = first == np.arange(len(hashed))
    same = np.stack([hashed["row"][~own], hashed["row"][first[~own]]], axis=1)
    files.write(_path(folder, block, _SAME), [same.astype("<i8").tobytes()])
    files.write(_path(folder, block, _BLOCK), [hashed[own].tobytes()])


def find(starts: np.ndarray, paintings: int, folder: str, beam_flags: Sequence[str]) -> tuple[Found, int, int]:
    """Searches the blocks that lie in a folder.

    Args:
      starts: int64[parts], the first row of each part.
      paintings: how many there are in all blocks.
      folder: which all workers see.
      beam_flags: which name the runner.

    Returns:
      What `search.find` returns, without candidates whose second looks do not agree; and how many comparisons of a hash
      were made, and how many were to be.

    Raises:
      MorelliError: the runner did not do all of it.
    """
    there = files.sizes(folder)
    blocks = sorted(int(name.partition("-")[0]) for name in there if name.endswith(f"-{_BLOCK}"))
    sizes = {block: there[_name(block, _BLOCK)] // HASHED.itemsize for block in blocks}
    same = [np.frombuffer(files.read(_path(folder, block, _SAME)), "<i8").reshape(-1, 2) for block in blocks]
    wanted = searches(sum(sizes.values()))
    run_pipeline(functools.partial(_compare, wanted, sizes, folder), beam_flags)
    there = files.sizes(folder)
    compared = sum(int(files.read(files.join(folder, name))) for name in there if name.endswith(f"-{_COMPARED}"))
    compared += sum(sizes.values()) + sum(map(len, same))  # that each hash was held against its like
    expected = paintings + sum(_to_compare(search, list(sizes.values())) for search in wanted)
    found = (
        np.frombuffer(files.read(files.join(folder, name)), _CANDIDATE).reshape(-1, 4)
        for name in sorted(there)
        if name.endswith(f"-{_CANDIDATES}")
    )
    candidates = distinct(found)
    candidates[:, :2] = row_numbers(candidates[:, :2], starts)
    twins = np.concatenate([np.zeros((0, 2), np.int64), *same])
    return Found(candidates, row_numbers(twins[np.argsort(twins[:, 0])], starts)), compared, expected


def _to_compare(search: Search, sizes: Sequence[int]) -> int:
    """How many hashes a search asks about, each once for each block or table that it is held against."""
    if not search.exact:
        return TABLES * sum(sizes)
    return sum(sizes[top] for top, _ in block_pairs(search, len(sizes)))


def _compare(wanted: Sequence[Search], sizes: dict[int, int], folder: str, pipeline: Any) -> None:
    """What is found goes to the files of its rows; how many hashes were asked about goes along, to be counted."""
    beam = import_beam()
    blocks = sorted(sizes)
    pairs = [
        (search, blocks[top], blocks[left])
        for search in wanted
        if search.exact
        for top, left in block_pairs(search, len(blocks))
    ]
    ranges = blocks_of(sum(sizes.values()) // 16)  # a worker holds a million hashes
    by_pair = (
        pipeline
        | "pairs of blocks" >> beam.Create(pairs, reshuffle=True)
        | "within blocks" >> beam.FlatMap(_compare_blocks, folder)
    )
    by_lsh = [search for search in wanted if not search.exact]
    by_table = (
        pipeline
        | "blocks" >> beam.Create(blocks if by_lsh else [], reshuffle=True)
        | "to tables" >> beam.FlatMap(_by_table, by_lsh, ranges, folder)
        | "by key" >> beam.GroupByKey()
        | "within tables" >> beam.FlatMap(_compare_table, by_lsh)
    )
    _ = (
        (by_pair, by_table)
        | beam.Flatten()
        | "by row" >> beam.GroupByKey()
        | "to the other row" >> beam.FlatMap(_with_looks, folder)
        | "by other row" >> beam.GroupByKey()
        | "write" >> beam.Map(_write_candidates, folder)
    )


def _compare_blocks(pair: tuple[Search, int, int], folder: str) -> Iterator[tuple[int, tuple[int, bytes]]]:
    search, top, left = pair
    ones, _ = search.sides(*_read_block(folder, top))
    _, others = search.sides(*_read_block(folder, left))
    yield from _hand_on(within(search, ones, others, top == left), len(ones.rows))


def _by_table(
    block: int, wanted: Sequence[Search], ranges: int, folder: str
) -> Iterator[tuple[tuple[int, int], tuple[str, bytes]]]:
    """((table, range of keys), (kind of a side, its share)) of a block; searches share the whole pictures."""
    held = _read_block(folder, block)
    sides: dict[str, Side] = {}
    for search in wanted:
        sides[WHOLE], sides[search.kind] = search.sides(*held)
    for table, (kind, side) in itertools.product(range(TABLES), sides.items()):
        places = lsh_keys(side.hashes, table) * ranges >> KEY_BITS
        for place in np.unique(places).tolist():
            share = np.zeros(int((places == place).sum()), _SIDE)
            share["row"], share["hash"] = side.rows[places == place], side.hashes[places == place]
            yield (table, place), (kind, share.tobytes())


def _compare_table(
    shares: tuple[tuple[int, int], Iterable[tuple[str, bytes]]], wanted: Sequence[Search]
) -> Iterator[tuple[int, tuple[int, bytes]]]:
    (table, _), contents = shares
    held: dict[str, list[bytes]] = defaultdict(list)
    for kind, content in contents:
        held[kind].append(content)
    sides = {kind: _as_side(b"".join(some)) for kind, some in held.items()}
    nothing = _as_side(b"")
    ones = sides.get(WHOLE, nothing)
    for search in wanted:
        found = in_table(search, table, ones, sides.get(search.kind, nothing))
        yield from _hand_on(found, len(ones.rows))


def _hand_on(some: Iterable[np.ndarray], asked: int) -> Iterator[tuple[int, tuple[int, bytes]]]:
    """(part of the row, (hashes asked about, candidates)), the former with one part alone."""
    yield 0, (asked, b"")
    found = distinct(some)
    parts = found[:, 0] >> _PART_BITS
    for part in np.unique(parts).tolist():
        yield part, (0, found[parts == part].astype(_CANDIDATE).tobytes())


def _with_looks(
    shares: tuple[int, Iterable[tuple[int, bytes]]], folder: str
) -> Iterator[tuple[int, tuple[int, bytes, bytes]]]:
    """(part, (hashes asked about, candidates, second looks of their one rows)), of those that are not sure."""
    part, contents = shares
    asked = 0

    def found() -> Iterator[np.ndarray]:
        nonlocal asked
        for more, content in contents:
            asked += more
            yield np.frombuffer(content, _CANDIDATE).reshape(-1, 4)

    candidates = distinct(found())
    doubtful = is_doubtful(candidates)
    yield part, (asked, candidates[~doubtful].astype(_CANDIDATE).tobytes(), b"")
    candidates = candidates[doubtful]
    looks = _looks_of(candidates[:, 0], folder)
    parts = candidates[:, 1] >> _PART_BITS
    for other in np.unique(parts).tolist():
        some = parts == other
        yield other, (0, candidates[some].astype(_CANDIDATE).tobytes(), looks[some].tobytes())


def _write_candidates(shares: tuple[int, Iterable[tuple[int, bytes, bytes]]], folder: str) -> None:
    part, contents = shares
    asked = 0
    held = [np.zeros((0, 4), np.int64)]
    for more, content, looks in contents:
        asked += more
        candidates = np.frombuffer(content, _CANDIDATE).reshape(-1, 4)
        if looks:
            ones = np.frombuffer(looks, np.uint8).reshape(-1, LOOK_BYTES)
            candidates = candidates[agree(candidates, ones, _looks_of(candidates[:, 1], folder))]
        held.append(candidates)
    files.write(_path(folder, part, _CANDIDATES), [np.concatenate(held).astype(_CANDIDATE).tobytes()])
    files.write(_path(folder, part, _COMPARED), [str(asked).encode()])


def write_looks(part: int, looks: Iterable[np.ndarray], folder: str) -> None:
    """Writes the second looks, uint8[LOOK_BYTES] each, of the rows of a part."""
    files.write(_path(folder, part, _LOOKS), (look.tobytes() for look in looks))


def _looks_of(ids: np.ndarray, folder: str) -> np.ndarray:
    """uint8[n, LOOK_BYTES] of rows that are of one part, by their ids int64[n]."""
    if not len(ids):
        return np.zeros((0, LOOK_BYTES), np.uint8)
    looks = np.frombuffer(_read_looks(_path(folder, int(ids[0]) >> _PART_BITS, _LOOKS)), np.uint8)
    return np.asarray(looks.reshape(-1, LOOK_BYTES)[ids & _PLACE])


@functools.lru_cache(maxsize=4)
def _read_looks(path: str) -> bytes:
    """A part is asked for again and again."""
    return files.read(path)


def _read_block(folder: str, block: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows int64[n], hashes and inner hashes uint8[n, HASH_BYTES]."""
    held = np.frombuffer(files.read(_path(folder, block, _BLOCK)), HASHED)
    return held["row"].astype(np.int64), np.ascontiguousarray(held["hash"]), np.ascontiguousarray(held["inner"])


def _as_side(content: bytes) -> Side:
    held = np.frombuffer(content, _SIDE)
    return Side(held["row"].astype(np.int64), np.ascontiguousarray(held["hash"]))


def _path(folder: str, number: int, what: str) -> str:
    return files.join(folder, _name(number, what))


def _name(number: int, what: str) -> str:
    return f"{number:05d}-{what}"
