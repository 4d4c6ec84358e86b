"""The plan, made on this machine: rows are sorted on its disk, and never all in memory."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from pipeline.dataset.contract import SPLITS, Artist
from pipeline.dataset.rejects import Reject
from pipeline.pictures.likeness import HASH_BYTES
from pipeline.plan.copies import copies_key, keep_first
from pipeline.plan.deal import Dealt, Tally, deal_groups, describe_plan, place
from pipeline.plan.external_sort import group_by_key, sort_by_key
from pipeline.plan.groups import find_groups
from pipeline.plan.order import keyed_order
from pipeline.plan.search import Found, find
from pipeline.plan.splits import Dealer
from pipeline.plan.work import Kept, Plan, Rules, Work
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
    hashes = bytearray()  # 64 bytes for each painting: all that is held of all
    totals: Counter[str] = Counter()  # of artists
    plain.write_lines(kept_path, _keep(rows, rules, folder, rejects, hashes, totals))
    found = _find(hashes) if rules.dedup == "near" else None
    del hashes
    groups = find_groups(found, functools.partial(plain.read_some, (kept_path,), Kept), rules)
    rejects += groups.leaks.values()
    dealt = deal_groups(groups, totals - Counter(leak.artist for leak in groups.leaks.values()), rules)
    tally = Tally({split: [0] * len(dealt.labels) for split in SPLITS})
    parts = {split: files.join(folder, f"works-{split}.jsonl") for split in SPLITS}
    with ExitStack() as stack:
        out = {split: stack.enter_context(files.stream(Path(part))) for split, part in parts.items()}
        kept = (each for each in plain.read_lines(kept_path, Kept) if each.painting_id not in groups.leaks)
        for work in _place(kept, dealt, rules, folder):
            out[work.split].write(plain.to_json(work) + b"\n")
            tally.add(work)
    by_split = {split: (part,) for split, part in parts.items()}
    return describe_plan(tally, by_split, groups, artists, dealt, rules.seed, len(rejects)), rejects


def _find(hashes: bytearray) -> Found:
    both = np.frombuffer(hashes, np.uint8).reshape(-1, 2 * HASH_BYTES)
    return find(both[:, :HASH_BYTES], both[:, HASH_BYTES:])


def _keep(
    rows: Iterable[Row],
    rules: Rules,
    folder: str,
    rejects: list[Reject],
    hashes: bytearray,
    totals: Counter[str],
) -> Iterator[Kept]:
    """The first of exact copies, counted by artist, whose hashes go to `hashes`; what is nobody's goes to `rejects`."""
    for same in group_by_key(rows, Row, copies_key, folder):
        for decided in keep_first(same, rules.dedup != "off", rules.ratios is None):
            if isinstance(decided, Kept):
                hashes += bytes.fromhex(decided.row.hash + decided.row.inner)
                totals[decided.row.artist] += 1
                yield decided
            else:
                rejects.append(decided)


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
