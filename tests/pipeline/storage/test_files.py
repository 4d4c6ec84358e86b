"""Files are there whole or not at all, on local disks and on Beam's file systems."""

import errno
import os

import pytest

from pipeline.errors import StorageError
from pipeline.storage import files


def test_a_file_is_written_and_read(tmp_path):
    path = str(tmp_path / "deep" / "er" / "file")
    files.write(path, [b"one", b"two"])
    assert files.read(path) == b"onetwo"
    assert files.sizes(str(tmp_path / "deep" / "er")) == {"file": 6}


def test_a_fault_in_the_middle_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def pieces():
        yield b"new"
        raise RuntimeError("fault")

    with pytest.raises(RuntimeError, match="fault"):
        files.write(str(path), pieces())
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_says_so_and_leaves_nothing(tmp_path, code):
    def pieces():
        yield b"x" * 10
        raise OSError(code, os.strerror(code))

    with pytest.raises(StorageError, match=r"No room left .* run the same command again"):
        files.write(str(tmp_path / "file"), pieces())
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_of_a_folder_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StorageError, match="cannot be written"):
        files.write(str(tmp_path / "file" / "below"), [b"x"])
    assert files.sizes(str(tmp_path / "file")) == {}
    assert (tmp_path / "file").read_text() == "mine"


def test_what_a_killed_build_left_is_removed_and_nothing_else(tmp_path):
    (tmp_path / f"{files.TEMPORARY}1234-shard").write_bytes(b"half")
    (tmp_path / "shard").write_bytes(b"whole")
    assert files.remove_temporary(str(tmp_path)) == 1
    assert files.sizes(str(tmp_path)) == {"shard": 5}


def test_no_folder_has_no_files(tmp_path):
    assert files.sizes(str(tmp_path / "none")) == {}


def test_a_relative_path_without_a_folder_is_written_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files.write("file", [b"x"])
    assert files.read("file") == b"x"


class TestRemote:
    """In an object store."""

    def test_a_file_is_written_replaced_listed_and_removed(self, remote):
        path = files.join(remote, "deep", "file")
        files.write(path, [b"one"])
        files.write(path, [b"two", b"three"])
        assert files.read(path) == b"twothree"
        assert files.sizes(files.join(remote, "deep")) == {"file": 8}
        files.remove_tree(files.join(remote, "deep"))
        assert files.sizes(files.join(remote, "deep")) == {}


class TestReplacing:
    """A temporary path, lent to whoever writes a file by itself."""

    def test_a_file_gets_its_name_at_the_end(self, tmp_path):
        path = tmp_path / "deep" / "table.parquet"
        with files.replacing(path) as temporary:
            assert temporary.suffix == ".parquet"
            temporary.write_bytes(b"whole")
            assert not path.exists()
        assert [entry.name for entry in path.parent.iterdir()] == ["table.parquet"]
        assert path.read_bytes() == b"whole"

    def test_a_folder_takes_the_place_of_another(self, tmp_path):
        (tmp_path / "model" / "old").mkdir(parents=True)
        with files.replacing(tmp_path / "model") as temporary:
            (temporary / "new").mkdir(parents=True)
            (temporary / "new" / "weights").write_bytes(b"x")
        assert [str(entry.relative_to(tmp_path)) for entry in sorted(tmp_path.rglob("*"))] == [
            "model",
            "model/new",
            "model/new/weights",
        ]

    def test_after_a_fault_the_old_one_stays(self, tmp_path):
        path = tmp_path / "file"
        path.write_bytes(b"old")
        with pytest.raises(AttributeError, match="write_twice"), files.stream(path) as stream:
            stream.write_twice(b"new")
        assert path.read_bytes() == b"old"
        assert [entry.name for entry in tmp_path.iterdir()] == ["file"]

    def test_a_full_disk_is_a_sentence(self, tmp_path):
        with pytest.raises(StorageError, match="No room left"), files.stream(tmp_path / "file"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        assert list(tmp_path.iterdir()) == []

    def test_what_fails_elsewhere_is_not_blamed_on_this_file(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="elsewhere"), files.stream(tmp_path / "file"):
            (tmp_path / "elsewhere").read_bytes()

    def test_the_longest_name_that_a_file_system_allows_can_be_written(self, tmp_path):
        path = tmp_path / ("ü" * 125 + ".json")
        files.write(path, [b"x"])
        assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_of_a_linked_folder_the_link_is_removed(tmp_path):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "file").write_text("precious")
    (tmp_path / "link").symlink_to(tmp_path / "theirs")
    files.remove_tree(str(tmp_path / "link"))
    assert not (tmp_path / "link").is_symlink()
    assert (tmp_path / "theirs" / "file").read_text() == "precious"


def test_files_are_read_in_their_order_though_some_are_passed_over_or_gone(tmp_path):
    paths = [str(tmp_path / f"{number}") for number in range(5)]
    for path in (*paths[:3], paths[4]):
        (tmp_path / path).write_bytes(path.encode())
    with files.ReadAhead(paths) as ahead:
        assert [ahead.read(path) for path in (paths[0], paths[2])] == [paths[0].encode(), paths[2].encode()]
        with pytest.raises(FileNotFoundError):
            ahead.read(paths[3])
        assert ahead.read(paths[4]) == paths[4].encode()
        assert ahead.read(paths[1]) == paths[1].encode()
