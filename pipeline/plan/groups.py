"""Groups of copies: who is in them, what they are called, and what of them stays where splits are given.

Paintings that have copies are few beside all others. These few are looked at together, in memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.dataset.rejects import LEAK, Reject
from pipeline.plan.copies import precedence
from pipeline.plan.work import Kept


@dataclass(frozen=True, slots=True)
class Groups:
    """What is known of the paintings that have copies.

    Attributes:
      of: painting_id -> its group; of a painting that has no copies there is nothing.
      held: group -> how many paintings of each artist it holds.
      leaks: painting_id -> why it is left out: a split is given for it, and another for the first of its copies.
    """

    of: Mapping[str, str]
    held: Mapping[str, Counter[str]]
    leaks: Mapping[str, Reject]

    @property
    def shared(self) -> dict[str, Counter[str]]:
        """Those of several artists."""
        return {group: artists for group, artists in self.held.items() if len(artists) > 1}

    def owned(self) -> dict[str, list[tuple[str, int]]]:
        """artist -> (group, how many paintings) of those that are the artist's alone."""
        owned: dict[str, list[tuple[str, int]]] = {}
        for group, artists in self.held.items():
            if len(artists) == 1:
                (artist,) = artists
                owned.setdefault(artist, []).append((group, artists.total()))
        return owned

    def own(self, totals: Mapping[str, int]) -> dict[str, int]:
        """artist -> how many groups are the artist's alone, single paintings among them.

        `totals`: artist -> how many paintings there are.
        """
        grouped = Counter(artist for held in self.held.values() for artist in held.elements())
        owned = self.owned()
        return {artist: count - grouped[artist] + len(owned.get(artist, ())) for artist, count in totals.items()}


def make_groups(members: Iterable[tuple[str, Kept]], splits_given: bool) -> Groups:
    """Groups paintings.

    Args:
      members: (anything that those of one group share, painting).
      splits_given: whether paintings have the splits that they are to stay in.
    """
    together: dict[str, list[Kept]] = {}
    for shared, kept in members:
        together.setdefault(shared, []).append(kept)
    of: dict[str, str] = {}
    held: dict[str, Counter[str]] = {}
    leaks: dict[str, Reject] = {}
    for some in together.values():
        some.sort(key=lambda kept: precedence(kept.row, splits_given))
        if splits_given:
            leaks.update(_leaks(some))
        staying = [kept for kept in some if kept.painting_id not in leaks]
        name = staying[0].painting_id
        of.update((kept.painting_id, name) for kept in staying)
        held[name] = Counter(kept.row.artist for kept in staying)
    return Groups(of, held, leaks)


def _leaks(ordered: Sequence[Kept]) -> dict[str, Reject]:
    """Of a group that splits tear apart, all that is not in its first painting's split."""
    first = ordered[0].row
    return {
        kept.painting_id: Reject(kept.row.path, kept.row.artist, LEAK, f"of {first.path}, which is in {first.split}")
        for kept in ordered
        if kept.row.split != first.split
    }
