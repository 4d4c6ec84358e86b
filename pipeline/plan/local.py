"""The plan, made on this machine: rows are sorted on its disk, and never all in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from pipeline.dataset.contract import SPLITS, Artist
from pipeline.dataset.rejects import Reject
from pipeline.plan import near
from pipeline.plan.copies import copies_key, keep_first
from pipeline.plan.external_sort import group_by_key, sort_by_key
from pipeline.plan.groups import Groups, Member, make_groups
from pipeline.plan.order import keyed_order
from pipeline.plan.rules import Dealt, Rules, Tally, deal_groups, describe_plan, place
from pipeline.plan.splits import Dealer
from pipeline.plan.work import Kept, Plan, Work
from pipeline.storage import files, plain
from pipeline.survey import Row

KEPT_FILE = "kept.jsonl"


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
    dealt = deal_groups(groups, totals, rules)
    tally = Tally({split: [0] * len(dealt.labels) for split in SPLITS})
    parts = {split: files.join(folder, f"works-{split}.jsonl") for split in SPLITS}
    with ExitStack() as stack:
        out = {split: stack.enter_context(files.stream(Path(part))) for split, part in parts.items()}
        for work in _place(_staying(kept_path, groups), dealt, rules, folder):
            out[work.split].write(plain.to_json(work) + b"\n")
            tally.add(work)
    by_split = {split: (part,) for split, part in parts.items()}
    return describe_plan(tally, by_split, groups, artists, dealt, rules.seed, len(rejects)), rejects


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


def _place(paintings: Iterable[Kept], dealt: Dealt, rules: Rules, folder: str) -> Iterator[Work]:
    """Gives each painting its split, in the order in which paintings lie on shards.

    Which is the order, too, in which an artist's single paintings are dealt: one sort serves both.
    """
    dealers = {artist: Dealer(quota, rules.ratios or ()) for artist, quota in dealt.quotas.items()}

    def order(kept: Kept) -> str:
        return keyed_order(rules.seed, kept.painting_id).hex()

    for _, kept in sort_by_key(paintings, Kept, order, folder):
        group = dealt.groups.get(kept.painting_id)
        if rules.ratios is None:
            split = kept.row.split
        elif group is None:
            split = dealers[kept.row.artist].deal(1)
        else:
            split = dealt.splits[group]
        yield place(kept, dealt, split)
