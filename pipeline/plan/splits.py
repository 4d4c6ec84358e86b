"""Which split does a group of copies go to? Each artist's shares come as close to the ratios as whole groups allow.

Groups that hold several artists' paintings are few, and are dealt first and together. What then is left to each artist
(`Quota`) is dealt artist by artist (`Dealer`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.dataset.contract import SPLITS
from pipeline.plan.order import keyed_order


@dataclass(frozen=True, slots=True)
class Quota:
    """What of an artist is still to be dealt.

    Attributes:
      missing: how many more paintings each split should get.
      empty: indices of the splits that have none of the artist's yet, and should.
      groups: how many groups there are that are the artist's alone.
      spread: whether these were enough, at first, for one in each split.
    """

    missing: tuple[float, ...]
    empty: tuple[int, ...]
    groups: int
    spread: bool


def quotas(paintings: int, ratios: Sequence[float]) -> list[int]:
    """How many paintings each split gets: largest remainders, at least one each where there are enough."""
    exact = [paintings * ratio for ratio in ratios]
    shares = [int(share + 1e-9) for share in exact]
    by_remainder = sorted(range(len(ratios)), key=lambda split: shares[split] - exact[split])
    for split in by_remainder[: paintings - sum(shares)]:
        shares[split] += 1
    wanted = _usable(ratios)
    if paintings >= len(wanted):
        for split in wanted:
            if shares[split] == 0:
                shares[shares.index(max(shares))] -= 1
                shares[split] = 1
    return shares


def deal_shared(
    groups: Mapping[str, Counter[str]],
    totals: Mapping[str, int],
    own: Mapping[str, int],
    ratios: Sequence[float],
    seed: int,
) -> tuple[dict[str, str], dict[str, Quota]]:
    """Deals the groups that hold paintings of several artists.

    Args:
      groups: group -> how many paintings of each artist it holds.
      totals: artist -> how many paintings there are, in all groups.
      own: artist -> how many groups are the artist's alone.
      ratios: shares of SPLITS.
      seed: of the order in which groups of one size are dealt.

    Returns:
      group -> split; artist -> what is left to deal.
    """
    missing = {artist: [float(share) for share in quotas(count, ratios)] for artist, count in totals.items()}
    empty = {artist: set(_usable(ratios)) for artist in totals}
    dealt = {}
    for group in sorted(groups, key=lambda group: dealing_order(group, groups[group].total(), seed)):
        held = groups[group]
        need = [sum(count * missing[artist][split] for artist, count in held.items()) for split in range(len(ratios))]
        split = _neediest(_usable(ratios), need, ratios)
        for artist, count in held.items():
            missing[artist][split] -= count
            empty[artist].discard(split)
        dealt[group] = SPLITS[split]
    return dealt, {
        artist: Quota(
            missing=tuple(missing[artist]),
            empty=tuple(sorted(empty[artist])),
            groups=own[artist],
            spread=own[artist] >= len(_usable(ratios)),
        )
        for artist in totals
    }


class Dealer:
    """Deals groups that are one artist's alone: large ones first, and those of one size in their keyed order.

    Single paintings, which are last, then fill up what is left exactly. An artist with as many groups as there are
    splits has one in each.
    """

    def __init__(self, quota: Quota, ratios: Sequence[float]) -> None:
        """`quota`: what is left to deal of the artist; `ratios`: shares of SPLITS."""
        self._ratios, self._usable = ratios, _usable(ratios)
        self._missing, self._empty = list(quota.missing), set(quota.empty)
        self._left, self._spread = quota.groups, quota.spread

    @property
    def left(self) -> Quota:
        """What is still to be dealt."""
        return Quota(tuple(self._missing), tuple(sorted(self._empty)), self._left, self._spread)

    def deal(self, size: int) -> str:
        """The split of the next group, which holds so many paintings."""
        last_chance = self._spread and self._left <= len(self._empty)  # to give each split one
        allowed = sorted(self._empty) if last_chance else self._usable
        split = _neediest(allowed, [size * need for need in self._missing], self._ratios)
        self._missing[split] -= size
        self._empty.discard(split)
        self._left -= 1
        return SPLITS[split]


def dealing_order(group: str, size: int, seed: int) -> tuple[int, bytes]:
    """A sort key of groups that are dealt one after the other."""
    return -size, keyed_order(seed, group)


def _usable(ratios: Sequence[float]) -> list[int]:
    return [split for split, ratio in enumerate(ratios) if ratio > 0]


def _neediest(allowed: Iterable[int], need: Sequence[float], ratios: Sequence[float]) -> int:
    return max(allowed, key=lambda split: (need[split], ratios[split], -split))
