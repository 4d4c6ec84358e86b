"""The index of a shard agrees with reading it record by record, and no damage gets past it."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.dataset.example import decode_example, encode_example
from pipeline.dataset.frames import frame, read_frames
from pipeline.dataset.index import Extent, Index, check, index
from pipeline.errors import DamagedShardError

example = st.builds(
    encode_example,
    image=st.binary(max_size=400),
    label=st.integers(0, 10_000),
    painting_id=st.text("0123456789abcdef", min_size=16, max_size=16),
    crop_index=st.integers(0, 1023),
    crop_box=st.lists(st.floats(0, 1e6, width=32), min_size=4, max_size=4),
    source_size=st.lists(st.integers(1, 1 << 20), min_size=2, max_size=2),
)


def shard(payloads: list[bytes]) -> np.ndarray:
    return np.frombuffer(bytearray(b"".join(map(frame, payloads))), np.uint8)


def index_and_check(memory: np.ndarray, extents: Sequence[Extent] = ()) -> Index:
    """Without `extents`, all of `memory` is one shard."""
    found = index(memory, extents or [Extent("shard", 0, len(memory))])
    check(memory, found, np.arange(len(found.labels)))
    return found


@given(st.lists(example, max_size=8))
def test_pictures_and_labels_lie_where_reading_record_by_record_finds_them(payloads: list[bytes]) -> None:
    content = shard(payloads)
    found = index_and_check(content)
    expected = [decode_example(payload) for payload in payloads]
    pictures = zip(found.starts, found.lengths, strict=True)
    assert [content[start : start + length].tobytes() for start, length in pictures] == [e["image"] for e in expected]
    assert found.labels.tolist() == [each["label"][0] for each in expected]


@given(st.lists(example, min_size=1, max_size=4), st.data())
def test_any_flipped_bit_is_found_in_its_record(payloads: list[bytes], data: st.DataObject) -> None:
    content = shard(payloads).copy()
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(DamagedShardError) as caught:
        index_and_check(content)
    ends = np.cumsum([len(frame(payload)) for payload in payloads])
    assert caught.value.offset == [0, *ends][int(np.searchsorted(ends, at, side="right"))]
    assert caught.value.path == "shard"


@given(st.lists(example, min_size=1, max_size=4), st.data())
def test_a_shard_that_is_cut_short_is_found_unless_the_cut_is_between_records(
    payloads: list[bytes], data: st.DataObject
) -> None:
    content = shard(payloads)
    ends = np.cumsum([0, *(len(frame(payload)) for payload in payloads)])
    cut = data.draw(st.integers(0, len(content) - 1))
    if cut in ends:
        assert len(index_and_check(content[:cut]).labels) == ends.tolist().index(cut)
    else:
        with pytest.raises(DamagedShardError):
            index_and_check(content[:cut])


@pytest.mark.parametrize("payload", [b"", b"not an example", encode_example(b"x", 1, "a", 0, [0] * 4, [1, 1])[:-30]])
def test_sound_frames_of_something_else_are_refused(payload: bytes) -> None:
    with pytest.raises(DamagedShardError, match="not one of a dataset of this format"):
        index_and_check(shard([encode_example(b"abc", 2, "b", 1, [0] * 4, [1, 1]), payload]))


def test_the_slow_reader_names_the_same_place() -> None:
    content = shard([encode_example(b"abc", 2, "b", 1, [0] * 4, [1, 1])] * 3).copy()
    content[-1] ^= 1
    with pytest.raises(DamagedShardError) as fast:
        index_and_check(content)
    with pytest.raises(DamagedShardError) as slow:
        list(read_frames(io.BytesIO(content.tobytes()), "shard"))
    assert str(fast.value) == str(slow.value)


@given(st.lists(st.lists(example, max_size=4), min_size=1, max_size=3), st.data())
def test_shards_side_by_side_are_indexed_as_if_each_were_alone(shards: list[list[bytes]], data: st.DataObject) -> None:
    contents = [shard(payloads) for payloads in shards]
    gaps = [np.full(data.draw(st.integers(0, 50)), 7, np.uint8) for _ in contents]
    memory = np.concatenate([part for pair in zip(gaps, contents, strict=True) for part in pair])
    extents, at = [], 0
    for number, (gap, content) in enumerate(zip(gaps, contents, strict=True)):
        extents.append(Extent(f"shard {number}", at + len(gap), len(content)))
        at += len(gap) + len(content)
    found = index_and_check(memory, extents)
    alone = [index(memory, [extent]) for extent in extents]
    for column, columns in zip(found[:-1], zip(*(each[:-1] for each in alone), strict=True), strict=True):
        assert column.tolist() == np.concatenate(columns).tolist()


@given(st.lists(st.lists(example, min_size=1, max_size=3), min_size=2, max_size=3), st.data())
def test_damage_in_one_of_several_shards_is_found_in_that_one(shards: list[list[bytes]], data: st.DataObject) -> None:
    contents = [shard(payloads).copy() for payloads in shards]
    struck = data.draw(st.integers(0, len(contents) - 1))
    at = data.draw(st.integers(0, len(contents[struck]) - 1))
    contents[struck][at] ^= 1 << data.draw(st.integers(0, 7))
    starts = np.cumsum([0, *map(len, contents)]).tolist()
    memory = np.concatenate(contents)
    extents = [Extent(str(number), starts[number], len(content)) for number, content in enumerate(contents)]
    with pytest.raises(DamagedShardError) as caught:
        index_and_check(memory, extents)
    with pytest.raises(DamagedShardError) as alone:
        index_and_check(contents[struck])
    assert (caught.value.path, caught.value.offset, caught.value.what) == (
        str(struck),
        alone.value.offset,
        alone.value.what,
    )
