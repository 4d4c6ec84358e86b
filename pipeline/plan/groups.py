"""Groups of copies: who is in them, what they are called, and what of them stays where splits are given.

Paintings that have copies are few beside all others. These few are looked at together, in memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline.dataset.rejects import LEAK, Reject
from pipeline.pictures.likeness import LOOK_BYTES, read_look
from pipeline.plan import near
from pipeline.plan.copies import precedence
from pipeline.plan.search import Found
from pipeline.plan.work import Kept, Rules

ALL = range(2**62)
# Gives (row, painting) of some rows, in order.
Read = Callable[[Collection[int]], Iterator[tuple[int, Kept]]]


@dataclass(frozen=True, slots=True)
class Member:
    """What is held in memory of a painting that has copies: its id, and path, artist and given split of its file."""

    painting_id: str
    path: str
    artist: str
    split: str

    @classmethod
    def of(cls, kept: Kept) -> Member:
        """Of a painting."""
        return cls(kept.painting_id, kept.row.path, kept.row.artist, kept.row.split)


@dataclass(frozen=True, slots=True)
class Groups:
    """What is known of the paintings that have copies.

    Attributes:
      of: painting_id -> its group; of a painting that has no copies there is nothing.
      held: group -> how many paintings of each artist it holds.
      leaks: painting_id -> why it is left out: a split is given for it, and another for the first of its copies.
      cut: paths of near copies that are in two groups, since one group would have chained them to others.
    """

    of: Mapping[str, str]
    held: Mapping[str, Counter[str]]
    leaks: Mapping[str, Reject]
    cut: tuple[tuple[str, str], ...] = ()

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


def find_groups(found: Found | None, read: Read, rules: Rules) -> Groups:
    """Groups near copies with exact ones.

    Args:
      found: of the paintings' hashes; None where near copies are not asked for.
      read: of the paintings.
      rules: how paintings are dealt.
    """
    centres: Mapping[int, int] = {}
    cut: list[near.Link] = []
    if found:
        doubtful = near.doubtful_rows(found.candidates)
        packed = b"".join(bytes(read_look(kept.row.look)) for _, kept in read(frozenset(doubtful.tolist())))
        looks = near.Looks(doubtful, np.frombuffer(packed, np.uint8).reshape(-1, LOOK_BYTES))
        centres, cut = near.star_groups(near.confirm(found.candidates, looks))
        centres = near.add_same(centres, found.same)
    paths = {row: kept.row.path for row, kept in read({row for link in cut for row in (link.one, link.other)})}
    # With dedup off, any painting may have been kept beside its exact copies.
    members = (
        (f"near {centres[row]}" if row in centres else kept.group, Member.of(kept))
        for row, kept in read(ALL if rules.dedup == "off" else centres.keys())
        if row in centres or not kept.alone
    )
    groups = make_groups(members, rules.ratios is None)
    return replace(groups, cut=tuple((paths[link.one], paths[link.other]) for link in cut))


def make_groups(members: Iterable[tuple[str, Member]], splits_given: bool) -> Groups:
    """Groups paintings.

    Args:
      members: (anything that those of one group share, painting).
      splits_given: whether paintings have the splits that they are to stay in.
    """
    together: dict[str, list[Member]] = {}
    for shared, member in members:
        together.setdefault(shared, []).append(member)
    of: dict[str, str] = {}
    held: dict[str, Counter[str]] = {}
    leaks: dict[str, Reject] = {}
    for some in together.values():
        some.sort(key=lambda member: precedence(member, splits_given))
        if splits_given:
            leaks.update(_leaks(some))
        staying = [member for member in some if member.painting_id not in leaks]
        name = staying[0].painting_id
        of.update((member.painting_id, name) for member in staying)
        held[name] = Counter(member.artist for member in staying)
    return Groups(of, held, leaks)


def _leaks(ordered: Sequence[Member]) -> dict[str, Reject]:
    """Of a group that splits tear apart, all that is not in its first painting's split."""
    first = ordered[0]
    return {
        member.painting_id: Reject(member.path, member.artist, LEAK, f"of {first.path}, which is in {first.split}")
        for member in ordered
        if member.split != first.split
    }
