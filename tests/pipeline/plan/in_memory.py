"""The plan's rule as one function of all rows in memory, to hold the one against that never has them all there."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.dataset.contract import SPLITS, Artist
from pipeline.dataset.rejects import CONFLICT, LEAK, Reject
from pipeline.plan.near import SURE_BITS
from pipeline.plan.order import keyed_order
from pipeline.plan.splits import quotas
from pipeline.plan.work import Dedup, Work
from pipeline.survey import Row


@dataclass(frozen=True, slots=True)
class WholePlan:
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
) -> WholePlan:
    """Plans a dataset.

    Args:
      rows: accepted survey rows, in any order.
      artists: what is known of each artist that `rows` name.
      ratios: shares of SPLITS, summing to 1; a share may be 0. None: each row has the split it is given, and of copies
        in several, those in the split nearest to testing are kept.
      seed: of splits, crop places and orders.
      dedup: "near" groups near copies and drops exact ones, "exact" drops exact ones, "off" keeps every file.
        Exact copies are never spread over splits.
    """
    # Of copies, the first is kept: where splits are given, one in the split nearest to testing.
    ordered = sorted(rows, key=lambda row: (-SPLITS.index(row.split) if ratios is None else 0, row.path))
    kept, copies, rejects = _drop_copies(ordered, drop=dedup != "off")
    groups = _groups(kept, dedup == "near")
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
    return WholePlan(
        artists=tuple(artists.get(name, Artist(name)) for name in names),
        works={
            split: tuple(sorted(some, key=lambda work: keyed_order(seed, work.painting_id)))
            for split, some in works.items()
        },
        rejects=tuple(rejects),
        seed=seed,
    )


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


def _groups(rows: Sequence[Row], near: bool) -> list[int]:
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
    for a, b in itertools.combinations(range(len(rows)) if near else (), 2):
        if (int(rows[a].hash, 16) ^ int(rows[b].hash, 16)).bit_count() <= SURE_BITS:
            join(a, b)
    return [find(index) for index in range(len(rows))]


# --- Splits ----------------------------------------------------------------------------------------------------------


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
