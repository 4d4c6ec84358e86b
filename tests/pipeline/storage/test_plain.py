"""Plain data is read back as it was written, and what has another type is refused with the place."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.storage import plain


@dataclass(frozen=True)
class Brush:
    name: str
    hairs: int


@dataclass(frozen=True)
class Box:
    brushes: tuple[Brush, ...]
    weight: float | None
    sealed: bool
    finish: Literal["matt", "gloss"]
    colours: Mapping[str, int]


boxes = st.builds(
    Box,
    brushes=st.lists(st.builds(Brush, st.text(), st.integers()), max_size=3).map(tuple),
    weight=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    sealed=st.booleans(),
    finish=st.sampled_from(["matt", "gloss"]),
    colours=st.dictionaries(st.text(), st.integers(), max_size=3),
)


@given(st.lists(boxes, max_size=3))
def test_what_is_written_is_read_back(tmp_path_factory, some):
    path = str(tmp_path_factory.mktemp("plain") / "boxes.jsonl")
    plain.write_lines(path, some)
    assert list(plain.read_lines(path, Box)) == some


def test_a_name_that_is_no_unicode_is_read_back():
    brush = Brush("b\udcff", 3)
    assert plain.from_json(Brush, plain.to_json(brush)) == brush


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"brushes": [{"name": "a", "hairs": True}]}, "brushes: hairs: expected a whole number, found True"),
        ({"brushes": [{"name": "a"}]}, "brushes: 'hairs' is missing"),
        ({"brushes": "ab"}, "brushes: expected a list, found 'ab'"),
        ({"weight": "1"}, "weight: expected null, found '1'"),
        ({"sealed": 1}, "sealed: expected true or false, found 1"),
        ({"finish": ["matt"]}, "finish: expected 'matt' or 'gloss'"),
        ({"colours": {"red": 0.5}}, "colours: expected a whole number, found 0.5"),
        ({"lid": 1}, "'lid' is unknown"),
    ],
)
def test_another_type_is_refused_with_its_place(change: dict[str, Any], message: str):
    sound = plain.dump(Box((), 1.0, True, "matt", {}))
    with pytest.raises(ValueError, match=message):
        plain.load(Box, {**sound, **change})


@pytest.mark.parametrize("content", [b"[" * 100_000, b"NaN", b"", b"\xff", b"{", b"9" * 5000])
def test_what_is_no_json_is_one_kind_of_error(content):
    with pytest.raises(ValueError):  # noqa: PT011
        plain.parse(content)


@given(st.binary(max_size=60))
def test_noise_is_refused_with_one_error_type(noise):
    with contextlib.suppress(ValueError):
        plain.from_json(Box, noise)
