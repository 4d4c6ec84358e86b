"""How paintings are dealt: what is decided for each group and artist, and a painting in its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.dataset.contract import Artist
from pipeline.plan.groups import Groups
from pipeline.plan.splits import Dealer, Quota, deal_shared, dealing_order
from pipeline.plan.work import Kept, Plan, Rules, Work


@dataclass(frozen=True, slots=True)
class Dealt:
    """What is decided before single paintings are dealt.

    Attributes:
      labels: artist -> label.
      groups: painting_id -> its group, of those that have copies.
      splits: group -> split; where splits are given, nothing.
      quotas: artist -> what is left for the artist's single paintings; where splits are given, nothing.
      left_out: painting_ids of copies that would leak.
    """

    labels: Mapping[str, int]
    groups: Mapping[str, str]
    splits: Mapping[str, str]
    quotas: Mapping[str, Quota]
    left_out: tuple[str, ...]


def deal_groups(groups: Groups, totals: Mapping[str, int], rules: Rules) -> Dealt:
    """Deals all paintings that have copies. `totals`: artist -> how many paintings there are that are not left out."""
    labels = {name: label for label, name in enumerate(sorted(totals))}
    left_out = tuple(sorted(groups.leaks))
    if rules.ratios is None:
        return Dealt(labels, groups.of, {}, {}, left_out)
    dealt, quotas = deal_shared(groups.shared, totals, groups.own(totals), rules.ratios, rules.seed)
    for artist, some in groups.owned().items():
        dealer = Dealer(quotas[artist], rules.ratios)
        for group, size in sorted(some, key=lambda pair: dealing_order(pair[0], pair[1], rules.seed)):
            dealt[group] = dealer.deal(size)
        quotas[artist] = dealer.left
    return Dealt(labels, groups.of, dealt, quotas, left_out)


def place(kept: Kept, dealt: Dealt, split: str) -> Work:
    """A painting in its split."""
    row = kept.row
    return Work(
        painting_id=kept.painting_id,
        path=row.path,
        artist=row.artist,
        label=dealt.labels[row.artist],
        split=split,
        digest=row.digest,
        group=dealt.groups.get(kept.painting_id, kept.group),
        copies=kept.copies,
        width=row.width,
        height=row.height,
        bytes=row.bytes,
        photograph=row.photograph,
    )


@dataclass
class Tally:
    """What is counted of paintings as they are placed.

    Attributes:
      counts: split -> how many paintings of each label it has.
      copies: how many exact copies are left out.
    """

    counts: dict[str, list[int]]
    copies: int = 0

    def add(self, work: Work) -> None:
        """One more painting."""
        self.counts[work.split][work.label] += 1
        self.copies += len(work.copies)


def describe_plan(
    tally: Tally,
    parts: Mapping[str, Sequence[str]],
    groups: Groups,
    artists: Mapping[str, Artist],
    dealt: Dealt,
    seed: int,
    conflicts: int,
) -> Plan:
    """The plan of paintings that lie in the files `parts`, by split and in order. `conflicts`: files left out."""
    near = [size for held in groups.held.values() if (size := held.total()) > 1]
    return Plan(
        artists=tuple(artists.get(name, Artist(name)) for name in dealt.labels),
        seed=seed,
        counts={split: tuple(some) for split, some in tally.counts.items()},
        copies=tally.copies,
        near_paintings=sum(near),
        near_groups=len(near),
        cut_links=len(groups.cut),
        cut_first=groups.cut[0] if groups.cut else (),
        conflicts=conflicts,
        parts={split: tuple(some) for split, some in parts.items()},
    )
