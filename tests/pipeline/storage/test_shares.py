"""Network shares and clusters refuse to sync or to lock: work continues there, and says once what is missing."""

import errno
import fcntl
import os
import stat

import numpy as np
import pytest

from pipeline.errors import StorageError
from pipeline.storage import files, notes
from pipeline.storage.lock import exclusive


@pytest.fixture(autouse=True)
def untold(monkeypatch):
    monkeypatch.setattr(notes, "_told", set())


def refuse_to_sync(monkeypatch, code, kind):
    """Lets fsync of folders, or of files, answer with an error."""
    sync = os.fsync

    def fsync(descriptor):
        if kind(os.fstat(descriptor).st_mode):
            raise OSError(code, os.strerror(code))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP])
@pytest.mark.parametrize("kind", [stat.S_ISDIR, stat.S_ISREG])
def test_files_are_written_where_a_share_cannot_sync_and_one_note_says_so(monkeypatch, tmp_path, capsys, code, kind):
    refuse_to_sync(monkeypatch, code, kind)
    for name in ("one", "two"):
        files.write(tmp_path / name, [b"whole"])
    assert files.sizes(str(tmp_path)) == {"one": 5, "two": 5}
    told = capsys.readouterr().err
    assert told.count("note:") == 1
    assert str(tmp_path) in told


def test_a_disk_that_fails_to_sync_is_no_share(monkeypatch, tmp_path):
    refuse_to_sync(monkeypatch, errno.EIO, stat.S_ISREG)
    with pytest.raises(StorageError, match="cannot be written"):
        files.write(tmp_path / "file", [b"x"])
    assert files.sizes(str(tmp_path)) == {}


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK])
def test_a_folder_is_worked_in_where_a_cluster_cannot_lock_and_one_note_says_so(monkeypatch, tmp_path, capsys, code):
    def flock(descriptor, how):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", flock)
    for name in ("one", "two"):
        with exclusive(tmp_path / name) as held:
            assert len(held) == 1
    told = capsys.readouterr().err
    assert told.count("note:") == 1
    assert "start one at a time" in told


def test_a_lock_that_fails_otherwise_is_a_sentence(monkeypatch, tmp_path):
    def flock(descriptor, how):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(StorageError, match="cannot be locked"), exclusive(tmp_path):
        pass


def test_a_library_writes_its_file_where_a_share_cannot_sync(monkeypatch, tmp_path, capsys):
    refuse_to_sync(monkeypatch, errno.EINVAL, stat.S_ISDIR)
    with files.stream(tmp_path / "arrays.npz") as stream:
        np.savez(stream, ones=np.ones(3))
    assert np.load(tmp_path / "arrays.npz")["ones"].tolist() == [1, 1, 1]
    assert capsys.readouterr().err.count("note:") == 1
