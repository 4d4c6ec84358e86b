from __future__ import annotations

import errno
import logging
import os
import stat
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import StorageError
from trainer.training import checkpoint
from trainer.training.checkpoint import CheckpointError

ARRAYS = {
    "kernel": np.arange(600, dtype=np.float32).reshape(20, 30),
    "iterations": np.array(2**40, np.int64),
    "seed": np.array([3, 7], np.uint32),
}
STATE = {"progress": {"epoch": 3, "best": {"rank": [0.5, -1.25]}}, "note": "Dürer"}


def test_what_is_written_is_read_bit_by_bit(tmp_path: Path) -> None:
    found = checkpoint.read(checkpoint.write(tmp_path, 12, ARRAYS, STATE, keep=2))
    assert found.state == STATE
    assert found.arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert found.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(found.arrays[name], array)


def test_only_the_newest_are_kept_and_nothing_else_is_left(tmp_path: Path) -> None:
    for step in (5, 40, 300):
        checkpoint.write(tmp_path, step, ARRAYS, STATE, keep=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-0000000040.npz", "step-0000000300.npz"]
    newest = checkpoint.newest(tmp_path)
    assert newest is not None
    assert newest.path.name == "step-0000000300.npz"


def test_a_new_run_has_none(tmp_path: Path) -> None:
    assert checkpoint.newest(tmp_path / "nowhere") is None


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_no_altered_byte_is_ever_believed(tmp_path: Path, data: st.DataObject) -> None:
    path = checkpoint.write(tmp_path, 1, ARRAYS, STATE, keep=1)
    content = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    try:
        found = checkpoint.read(path)
    except CheckpointError:
        return
    assert found.state == STATE  # the byte was one that means nothing, such as a date
    assert found.arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert found.arrays[name].tobytes() == array.tobytes()


@pytest.mark.parametrize("left", [0, 1, 100, -1, -30])
def test_a_torn_file_falls_back_to_the_one_before_saying_so(
    tmp_path: Path, left: int, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoint.write(tmp_path, 1, ARRAYS, STATE, keep=2)
    torn = checkpoint.write(tmp_path, 2, ARRAYS, STATE, keep=2)
    torn.write_bytes(torn.read_bytes()[:left])
    with caplog.at_level(logging.WARNING):
        found = checkpoint.newest(tmp_path)
    assert found is not None
    assert found.path.name == "step-0000000001.npz"
    assert f"{torn} is damaged" in caplog.text
    assert "Falling back to the checkpoint before it" in caplog.text


def test_where_none_can_be_read_training_does_not_silently_start_anew(tmp_path: Path) -> None:
    checkpoint.write(tmp_path, 1, ARRAYS, STATE, keep=2).write_bytes(b"")
    with pytest.raises(CheckpointError, match="None of the 1 checkpoints"):
        checkpoint.newest(tmp_path)


def test_each_bit_of_the_directory_of_a_checkpoint_may_be_wrong(tmp_path: Path) -> None:
    path = checkpoint.write(tmp_path, 1, ARRAYS, STATE, keep=1)
    whole = path.read_bytes()
    start = whole.index(b"PK\x01\x02")
    for at in range(start, len(whole)):
        for bit in range(8):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :])
            try:
                found = checkpoint.read(path)
            except CheckpointError:
                continue
            assert all(np.array_equal(found.arrays[name], array) for name, array in ARRAYS.items())


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_state_that_is_not_finite_is_never_written(tmp_path: Path, bad: float) -> None:
    good = checkpoint.write(tmp_path, 1, ARRAYS, STATE, keep=2)
    with pytest.raises(CheckpointError, match=rf"After step 2, kernel .* {good}"):
        checkpoint.write(tmp_path, 2, {**ARRAYS, "kernel": np.array([1.0, bad])}, STATE, keep=2)
    assert list(tmp_path.iterdir()) == [good]


def test_a_checkpoint_is_written_on_a_share_that_cannot_sync_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = os.fsync

    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    assert checkpoint.read(checkpoint.write(tmp_path, 12, ARRAYS, STATE, keep=2)).state == STATE


def test_no_room_for_a_checkpoint_is_a_sentence_and_keeps_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = checkpoint.write(tmp_path, 1, ARRAYS, STATE, keep=2)

    def full(stream: object, **arrays: np.ndarray) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(StorageError, match="No room left"):
        checkpoint.write(tmp_path, 2, ARRAYS, STATE, keep=2)
    assert list(tmp_path.iterdir()) == [before]


def test_what_a_kill_left_half_written_goes_with_the_next_checkpoint(tmp_path: Path) -> None:
    (tmp_path / ".tmp-12345678-step-0000000001.npz").write_bytes(b"half")
    path = checkpoint.write(tmp_path, 2, ARRAYS, STATE, keep=2)
    assert list(tmp_path.iterdir()) == [path]
