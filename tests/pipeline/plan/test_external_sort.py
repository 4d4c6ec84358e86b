"""Sorting more values than fit in memory."""

from collections import Counter
from dataclasses import dataclass
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import StorageError
from pipeline.plan import external_sort
from pipeline.plan.external_sort import group_by_key, sort_by_key


@dataclass(frozen=True)
class Value:
    key: str
    text: str


VALUES = st.lists(st.builds(Value, st.text("0123456789abcdef", max_size=3), st.text(max_size=4)))


@given(VALUES, st.integers(1, 9), st.integers(2, 4))
def test_all_values_come_in_the_order_of_their_keys_and_a_key_once(tmp_path_factory, values, run, most):
    folder = str(tmp_path_factory.getbasetemp())
    with mock.patch.object(external_sort, "RUN", run), mock.patch.object(external_sort, "MOST_RUNS", most):
        pairs = list(sort_by_key(iter(values), Value, lambda value: value.key, folder))
        groups = list(group_by_key(iter(values), Value, lambda value: value.key, folder))
    assert [key for key, _ in pairs] == sorted(value.key for value in values)
    assert Counter(value for _, value in pairs) == Counter(values)
    assert all(key == value.key for key, value in pairs)
    assert [group[0].key for group in groups] == sorted({value.key for value in values})
    assert sum(map(len, groups)) == len(values)


def test_no_room_to_sort_in_is_a_sentence(tmp_path):
    values = [Value(f"{number:02x}", "") for number in range(9)]
    with mock.patch.object(external_sort, "RUN", 3), pytest.raises(StorageError, match="TMPDIR"):
        list(sort_by_key(values, Value, lambda value: value.key, str(tmp_path / "gone")))
