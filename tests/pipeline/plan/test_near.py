"""Which candidates are near copies, and that their groups do not chain."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.pictures.likeness import LOOK_BYTES
from pipeline.plan import near
from pipeline.plan.near import SURE_BITS, Link, Looks
from pipeline.plan.search import INNER, KINDS, WHOLE


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12), st.integers(0, 64)), max_size=40))
def test_members_of_a_group_are_linked_to_its_centre_and_cut_links_are_told(pairs):
    links = [Link(a, b, bits) for (a, b), bits in {(min(a, b), max(a, b)): c for a, b, c in pairs if a != b}.items()]
    centres, cut = near.star_groups(links)
    linked = {(link.one, link.other) for link in links}
    assert centres.keys() == {row for pair in linked for row in pair}
    for row, centre in centres.items():
        assert centres[centre] == centre
        assert row == centre or (min(row, centre), max(row, centre)) in linked
    assert cut == [link for link in links if centres[link.one] != centres[link.other]]
    assert near.star_groups(links[::-1])[0] == centres


def test_a_chain_is_cut_where_it_is_weakest():
    chain = [Link(0, 1, 4), Link(1, 2, 4), Link(2, 3, 60), Link(3, 4, 4), Link(4, 5, 4)]
    centres, cut = near.star_groups(chain)
    assert cut == [Link(2, 3, 60)]
    assert len(set(centres.values())) == 2


def test_doubtful_pairs_are_decided_by_a_second_look():
    whole, inner = KINDS.index(WHOLE), KINDS.index(INNER)
    pairs = [(0, 1, whole, 60), (0, 5, whole, 60), (1, 3, whole, SURE_BITS), (5, 7, inner, 40), (5, 7, inner, 48)]
    candidates = np.array(pairs, np.int64)
    rows = near.doubtful_rows(candidates)
    assert rows.tolist() == [0, 1, 5]
    looks = Looks(rows, np.repeat(np.array([[0xEE], [0xEE], [0x00]], np.uint8), LOOK_BYTES, axis=1))
    assert near.confirm(candidates, looks) == [Link(0, 1, 60), Link(1, 3, SURE_BITS), Link(5, 7, 40)]
    assert near.confirm(candidates[:0], Looks(rows[:0], looks.packed[:0])) == []


def test_pictures_of_one_hash_go_with_the_first_of_them():
    centres, cut = near.star_groups([Link(7, 0, 9), *(Link(7, row, 1) for row in range(6000, 6004))])
    assert not cut
    every = near.add_same(centres, np.array([(8, 0), (9, 7), (12, 11), (13, 11)]))
    assert {row: every[row] for row in (0, 7, 8, 9, 11, 12, 13)} == {0: 7, 7: 7, 8: 7, 9: 7, 11: 11, 12: 11, 13: 11}
