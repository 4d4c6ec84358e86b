"""Duplicates grouped, paintings split, shards laid out. Pure: survey rows in, a plan out.

Same rows, seed and settings: the same plan, whatever the order of files on the disk and the number of workers.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.dataset.contract import FORMAT, SPLITS, Artist, Encoding
from pipeline.dataset.rejects import CONFLICT, LEAK, Reject
from pipeline.dataset.schemes import Scheme
from pipeline.pictures.photograph import Photograph
from pipeline.survey import Row

Dedup = Literal["near", "exact", "off"]
MIN_SHARDS = 8  # of a split that has paintings enough: a reader interleaves shards, and workers share them out
MIN_PAINTINGS_PER_SHARD = 4
TILE = 2048  # hashes compared with as many others at once


@dataclass(frozen=True, slots=True)
class Work:
    """A painting that goes into the dataset.

    Attributes:
      painting_id: 16 hex digits of the file's digest (plus -2, -3 ... for copies kept with dedup off).
      path, artist, digest, width, height, bytes: of the file kept; digest is the hex SHA-256.
      label: index into the plan's artists.
      split: one of SPLITS.
      group: painting_id of the first of its near copies; its own where it has none.
      copies: paths of exact copies that were dropped.
      photograph: what the file tells of itself.
    """

    painting_id: str
    path: str
    artist: str
    label: int
    split: str
    digest: str
    group: str
    copies: tuple[str, ...]
    width: int
    height: int
    bytes: int
    photograph: Photograph = Photograph()  # noqa: RUF009  # frozen


@dataclass(frozen=True, slots=True)
class Plan:
    """What a build will write, before anything is written.

    Attributes:
      artists: the labels, in label order: those with at least one painting, by name.
      works: split -> its paintings, in the order in which they lie on shards.
      rejects: paintings left out by the plan, which are the conflicts.
      seed: of splits, crop places and orders.
    """

    artists: tuple[Artist, ...]
    works: dict[str, tuple[Work, ...]]
    rejects: tuple[Reject, ...]
    seed: int


def make_plan(
    rows: Iterable[Row],
    artists: Mapping[str, Artist],
    ratios: Sequence[float] | None,
    seed: int,
    dedup: Dedup,
    near_bits: int,
) -> Plan:
    """Plans a dataset.

    Args:
      rows: accepted survey rows, in any order.
      artists: what is known of each artist that `rows` name.
      ratios: shares of SPLITS, summing to 1; a share may be 0. None: each row has the split it is given, and of copies
        in several, those in the split nearest to testing are kept.
      seed: of splits, crop places and orders.
      dedup: "near" groups near copies and drops exact ones, "exact" drops exact ones, "off" keeps every file.
        Exact copies are never spread over splits.
      near_bits: perceptual hashes at most so many bits apart are near copies.
    """
    # Of copies, the first is kept: where splits are given, one in the split nearest to testing.
    ordered = sorted(rows, key=lambda row: (-SPLITS.index(row.split) if ratios is None else 0, row.path))
    kept, copies, rejects = _drop_copies(ordered, drop=dedup != "off")
    groups = _groups(kept, near_bits if dedup == "near" else None)
    if ratios is None:
        kept, groups, leaks = _without_leaks(kept, groups)
        rejects += leaks
    ids = _painting_ids(kept)
    members: dict[int, list[int]] = defaultdict(list)
    for index, group in enumerate(groups):
        members[group].append(index)
    split_of = (
        {ids[group]: kept[group].split for group in members}
        if ratios is None
        else assign_splits(
            {ids[group]: Counter(kept[index].artist for index in indices) for group, indices in members.items()},
            ratios,
            seed,
        )
    )
    names = sorted({row.artist for row in kept})
    labels = {name: label for label, name in enumerate(names)}
    works: dict[str, list[Work]] = {split: [] for split in SPLITS}
    for index, row in enumerate(kept):
        group_id = ids[groups[index]]
        works[split_of[group_id]].append(
            Work(
                painting_id=ids[index],
                path=row.path,
                artist=row.artist,
                label=labels[row.artist],
                split=split_of[group_id],
                digest=row.digest,
                group=group_id,
                copies=tuple(copies.get(row.digest, ())),
                width=row.width,
                height=row.height,
                bytes=row.bytes,
                photograph=row.photograph,
            )
        )
    return Plan(
        artists=tuple(artists.get(name, Artist(name)) for name in names),
        works={
            split: tuple(sorted(some, key=lambda work: keyed_order(seed, work.painting_id)))
            for split, some in works.items()
        },
        rejects=tuple(rejects),
        seed=seed,
    )


def keyed_order(seed: int, key: str) -> bytes:
    """A sort key that shuffles: uniform, and a function of (seed, key) alone."""
    return hashlib.blake2b(key.encode(), digest_size=16, salt=seed.to_bytes(8, "little", signed=True)).digest()


def _drop_copies(rows: Sequence[Row], drop: bool) -> tuple[list[Row], dict[str, list[str]], list[Reject]]:
    """(rows kept, digest -> paths of copies dropped, conflicts)."""
    if not drop:
        return list(rows), {}, []
    first: dict[str, Row] = {}
    copies: dict[str, list[str]] = defaultdict(list)
    artists: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        artists[row.digest].add(row.artist)
        if row.digest in first:
            copies[row.digest].append(row.path)
        else:
            first[row.digest] = row
    rejects = [
        Reject(row.path, row.artist, CONFLICT, "also under " + ", ".join(sorted(artists[row.digest] - {row.artist})))
        for row in rows
        if len(artists[row.digest]) > 1
    ]
    return [row for digest, row in first.items() if len(artists[digest]) == 1], dict(copies), rejects


def _without_leaks(rows: Sequence[Row], groups: Sequence[int]) -> tuple[list[Row], list[int], list[Reject]]:
    """(rows, their groups, rejects): of a group that splits tear apart, what is in its first row's split stays."""
    stays = [index for index, group in enumerate(groups) if rows[index].split == rows[group].split]
    place = {index: at for at, index in enumerate(stays)}
    rejects = [
        Reject(row.path, row.artist, LEAK, f"of {rows[group].path}, which is in {rows[group].split}")
        for row, group in zip(rows, groups, strict=True)
        if row.split != rows[group].split
    ]
    return [rows[index] for index in stays], [place[groups[index]] for index in stays], rejects


def _painting_ids(rows: Sequence[Row]) -> list[str]:
    seen: Counter[str] = Counter()
    ids = []
    for row in rows:
        short = row.digest[:16]
        seen[short] += 1
        ids.append(short if seen[short] == 1 else f"{short}-{seen[short]}")
    return ids


# --- Groups of copies ------------------------------------------------------------------------------------------------


def _groups(rows: Sequence[Row], near_bits: int | None) -> list[int]:
    """For each row the index of the first row of its group. Exact copies are always of one group."""
    parent = list(range(len(rows)))

    def find(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    def join(a: int, b: int) -> None:
        a, b = sorted((find(a), find(b)))
        parent[b] = a

    first: dict[str, int] = {}
    for index, row in enumerate(rows):
        join(first.setdefault(row.digest, index), index)
    if near_bits is not None:
        for a, b in near_pairs([row.hash for row in rows], near_bits):
            join(a, b)
    return [find(index) for index in range(len(rows))]


def near_pairs(hashes: Sequence[str], bits: int) -> Iterator[tuple[int, int]]:
    """Yields all pairs (i < j) of hex hashes of one length that differ in at most `bits` bits.

    All are compared with all, as matrix products of tiles: with bits as -1 and 1, the product of two hashes is their
    length less twice their distance. Memory is that of one tile, whatever their number; 8,446 hashes of 256 bits take
    half a second. Searching by bands of bits (multi-index hashing) prunes nothing at a quarter of the bits.
    """
    if len(hashes) < 2:
        return
    table = np.frombuffer(bytes.fromhex("".join(hashes)), np.uint8).reshape(len(hashes), -1)
    least = table.shape[1] * 8 - 2 * bits
    for top in range(0, len(table), TILE):
        above = _signs(table[top : top + TILE])
        for left in range(top, len(table), TILE):
            i, j = np.nonzero(above @ _signs(table[left : left + TILE]).T >= least)
            later = top + i < left + j
            yield from zip((top + i[later]).tolist(), (left + j[later]).tolist(), strict=True)


def _signs(table: np.ndarray) -> np.ndarray:
    """uint8[n, bytes] -> float32[n, bits] of -1 and 1."""
    return np.unpackbits(table, axis=1).astype(np.float32) * 2 - 1


# --- Splits ----------------------------------------------------------------------------------------------------------


def quotas(paintings: int, ratios: Sequence[float]) -> list[int]:
    """How many paintings each split gets: largest remainders, at least one each where there are enough."""
    exact = [paintings * ratio for ratio in ratios]
    shares = [int(share + 1e-9) for share in exact]
    by_remainder = sorted(range(len(ratios)), key=lambda split: shares[split] - exact[split])
    for split in by_remainder[: paintings - sum(shares)]:
        shares[split] += 1
    wanted = [split for split, ratio in enumerate(ratios) if ratio > 0]
    if paintings >= len(wanted):
        for split in wanted:
            if shares[split] == 0:
                shares[shares.index(max(shares))] -= 1
                shares[split] = 1
    return shares


def assign_splits(groups: Mapping[str, Counter[str]], ratios: Sequence[float], seed: int) -> dict[str, str]:
    """Deals groups of copies to splits, so that each artist's shares come as near to `ratios` as whole groups allow.

    Args:
      groups: group -> how many paintings of each artist it holds.
      ratios: shares of SPLITS.
      seed: of the order in which groups of one size are dealt.

    Returns:
      group -> split. An artist with as many groups of its own as there are splits has one in each.
    """
    totals: Counter[str] = Counter()
    own: Counter[str] = Counter()  # groups, still to be dealt, that are of one artist alone
    for artists in groups.values():
        totals.update(artists)
        if len(artists) == 1:
            own.update(artists.keys())
    missing = {artist: np.array(quotas(count, ratios), float) for artist, count in totals.items()}
    empty = {artist: {split for split, ratio in enumerate(ratios) if ratio > 0} for artist in totals}
    usable = [split for split, ratio in enumerate(ratios) if ratio > 0]
    spread = {artist for artist, count in own.items() if count >= len(usable)}

    def order(group: str) -> tuple[bool, int, bytes]:
        # Groups of several artists bind most, then large ones; single paintings fill up what is left exactly.
        return len(groups[group]) == 1, -groups[group].total(), keyed_order(seed, group)

    result = {}
    for group in sorted(groups, key=order):
        artists = groups[group]
        allowed = usable
        if len(artists) == 1:
            (artist,) = artists
            if artist in spread and own[artist] <= len(empty[artist]):  # the last chance to give each split one
                allowed = sorted(empty[artist])
            own[artist] -= 1
        need = np.sum([count * missing[artist] for artist, count in artists.items()], axis=0)
        split = max(allowed, key=lambda split: (need[split], ratios[split], -split))
        for artist, count in artists.items():
            missing[artist][split] -= count
            empty[artist].discard(split)
        result[group] = SPLITS[split]
    return result


# --- Shards ----------------------------------------------------------------------------------------------------------


def shard_count(paintings: int, painting_bytes: int, shard_bytes: int) -> int:
    """How many shards a split is cut into: a power of two, so that the shards of any two schemes nest."""
    if paintings == 0:
        return 0
    wanted = max(paintings * painting_bytes / shard_bytes, min(MIN_SHARDS, paintings / MIN_PAINTINGS_PER_SHARD))
    count = 1
    while count < wanted and count * 2 <= paintings:
        count *= 2
    return count


def shard_range(paintings: int, index: int, count: int) -> tuple[int, int]:
    """First and past-the-last painting of shard `index` of `count`; a coarser power of two has unions of these."""
    return paintings * index // count, paintings * (index + 1) // count


def fingerprint(plan: Plan, scheme: Scheme, encoding: Encoding, shards: Mapping[str, int]) -> str:
    """Hex SHA-256 of all that decides a dataset's records and their order."""
    content = {
        "format": FORMAT,
        "scheme": scheme.name,
        "encoding": encoding,
        "seed": plan.seed,
        "labels": [artist.name for artist in plan.artists],
        "shards": dict(shards),
        "works": {split: [[work.painting_id, work.label] for work in works] for split, works in plan.works.items()},
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
