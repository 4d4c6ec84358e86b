"""The plan, made on this machine: rows are sorted on its disk, and never all in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.dataset.contract import SPLITS, Artist
from pipeline.dataset.rejects import Reject
from pipeline.plan import near
from pipeline.plan.copies import copies_key, keep_first
from pipeline.plan.external_sort import group_by_key, sort_by_key
from pipeline.plan.groups import Groups, Member, make_groups
from pipeline.plan.order import keyed_order
from pipeline.plan.splits import Dealer, deal_shared, dealing_order
from pipeline.plan.work import Dedup, Kept, Plan, Work
from pipeline.storage import files, plain
from pipeline.survey import Row

KEPT_FILE = "kept.jsonl"


@dataclass(frozen=True, slots=True)
class Rules:
    """How paintings are dealt.

    Attributes:
      ratios: shares of SPLITS, summing to 1; a share may be 0. None: each row has the split it is given, and of copies
        in several, those in the split nearest to testing are kept.
      seed: of splits, crop places and orders.
      dedup: "near" groups near copies and drops exact ones, "exact" drops exact ones, "off" keeps every file.
        Exact copies are never spread over splits.
      near_bits: perceptual hashes at most so many bits apart are near copies.
    """

    ratios: tuple[float, ...] | None
    seed: int
    dedup: Dedup
    near_bits: int


def make_plan(
    rows: Iterable[Row], artists: Mapping[str, Artist], rules: Rules, folder: str
) -> tuple[Plan, list[Reject]]:
    """Plans a dataset. Same rows, in any order, and same rules: the same plan.

    Args:
      rows: accepted survey rows; each is asked for once.
      artists: what is known of each artist that `rows` name.
      rules: how paintings are dealt.
      folder: on this machine's disk; the plan's paintings stay in it.

    Returns:
      The plan, and the files that it leaves out.
    """
    rejects: list[Reject] = []
    kept_path = files.join(folder, KEPT_FILE)
    plain.write_lines(kept_path, _keep(rows, rules, folder, rejects))
    groups = _find_groups(kept_path, rules)
    rejects += groups.leaks.values()
    totals = Counter(kept.row.artist for kept in _staying(kept_path, groups))
    labels = {name: label for label, name in enumerate(sorted(totals))}
    counts = {split: [0] * len(labels) for split in SPLITS}
    parts = {split: files.join(folder, f"works-{split}.jsonl") for split in SPLITS}
    copies = 0
    with ExitStack() as stack:
        out = {split: stack.enter_context(files.stream(Path(part))) for split, part in parts.items()}
        for work in _deal(kept_path, groups, totals, labels, rules, folder):
            out[work.split].write(plain.to_json(work) + b"\n")
            counts[work.split][work.label] += 1
            copies += len(work.copies)
    near_sizes = [size for artists in groups.held.values() if (size := artists.total()) > 1]
    plan = Plan(
        artists=tuple(artists.get(name, Artist(name)) for name in labels),
        seed=rules.seed,
        counts={split: tuple(some) for split, some in counts.items()},
        copies=copies,
        near_paintings=sum(near_sizes),
        near_groups=len(near_sizes),
        conflicts=len(rejects),
        parts={split: (part,) for split, part in parts.items()},
    )
    return plan, rejects


def _keep(rows: Iterable[Row], rules: Rules, folder: str, rejects: list[Reject]) -> Iterator[Kept]:
    """The first of exact copies; what is nobody's goes to `rejects`."""
    for same in group_by_key(rows, Row, copies_key, folder):
        for decided in keep_first(same, rules.dedup != "off", rules.ratios is None):
            if isinstance(decided, Kept):
                yield decided
            else:
                rejects.append(decided)


def _read(kept_path: str) -> Iterator[Kept]:
    return plain.read_lines(kept_path, Kept)


def _find_groups(kept_path: str, rules: Rules) -> Groups:
    """Compares all with all, in 32 bytes for each painting."""
    centres: Mapping[int, int] = {}
    if rules.dedup == "near":
        hashes = bytearray()
        for kept in _read(kept_path):
            hashes += bytes.fromhex(kept.row.hash)
        table = np.frombuffer(hashes, np.uint8)
        centres = near.group_near_copies(table.reshape(-1, 32), rules.near_bits)
    members = (
        (f"near {centres[number]}" if number in centres else kept.group, Member.of(kept))
        for number, kept in enumerate(_read(kept_path))
        if number in centres or not kept.alone
    )
    return make_groups(members, rules.ratios is None)


def _staying(kept_path: str, groups: Groups) -> Iterator[Kept]:
    return (kept for kept in _read(kept_path) if kept.painting_id not in groups.leaks)


def _deal(
    kept_path: str, groups: Groups, totals: Mapping[str, int], labels: Mapping[str, int], rules: Rules, folder: str
) -> Iterator[Work]:
    """Gives each painting its split, in the order in which paintings lie on shards.

    Which is the order, too, in which an artist's single paintings are dealt: one sort serves both.
    """
    dealt: dict[str, str] = {}
    dealers: dict[str, Dealer] = {}
    if rules.ratios is not None:
        own = groups.own(totals)
        owned = groups.owned()
        dealt, quotas = deal_shared(groups.shared, totals, own, rules.ratios, rules.seed)
        dealers = {artist: Dealer(quota, rules.ratios) for artist, quota in quotas.items()}
        for artist, some in owned.items():
            for name, size in sorted(some, key=lambda pair: dealing_order(pair[0], pair[1], rules.seed)):
                dealt[name] = dealers[artist].deal(size)

    def order(kept: Kept) -> str:
        return keyed_order(rules.seed, kept.painting_id).hex()

    for _, kept in sort_by_key(_staying(kept_path, groups), Kept, order, folder):
        group = groups.of.get(kept.painting_id)
        if rules.ratios is None:
            split = kept.row.split
        elif group is None:
            split = dealers[kept.row.artist].deal(1)
        else:
            split = dealt[group]
        yield _work(kept, group, labels[kept.row.artist], split)


def _work(kept: Kept, group: str | None, label: int, split: str) -> Work:
    row = kept.row
    return Work(
        painting_id=kept.painting_id,
        path=row.path,
        artist=row.artist,
        label=label,
        split=split,
        digest=row.digest,
        group=group or kept.group,
        copies=kept.copies,
        width=row.width,
        height=row.height,
        bytes=row.bytes,
        photograph=row.photograph,
    )
