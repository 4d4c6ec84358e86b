"""Copies on a local disk: whole, sound, and no more than there may be."""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline.storage.cache import FileCache


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def read(cache: FileCache, path: Path, sha256: str) -> bytes:
    with cache.opened(str(path), sha256) as stream:
        return stream.read()


@pytest.fixture
def sources(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{number}" for number in range(6)]
    for number, path in enumerate(paths):
        path.write_bytes(bytes([number]) * 100)
    return paths


def test_a_file_is_read_from_where_it_is_once(sources, tmp_path):
    data = sources[0].read_bytes()
    for cache in (FileCache(tmp_path / "cache", 1000), FileCache(tmp_path / "cache", 1000)):
        assert read(cache, sources[0], digest(data)) == data
        sources[0].unlink(missing_ok=True)
    assert read(cache, sources[0], digest(data)) == data


def test_the_cache_holds_no_more_than_it_may_and_what_was_used_last(sources, tmp_path):
    cache = FileCache(tmp_path / "cache", 350)
    for turn, number in enumerate((0, 1, 2, 0, 3, 4)):
        data = sources[number].read_bytes()
        assert read(cache, sources[number], digest(data)) == data
        os.utime(tmp_path / "cache" / digest(data), (turn, turn))
    held = {path.read_bytes()[0] for path in (tmp_path / "cache").iterdir()}
    assert held == {0, 3, 4}


def test_what_is_larger_than_the_cache_or_not_what_it_should_be_is_handed_out_and_not_kept(sources, tmp_path):
    cache = FileCache(tmp_path / "cache", 99)
    assert read(cache, sources[1], digest(sources[1].read_bytes())) == sources[1].read_bytes()
    assert read(FileCache(tmp_path / "cache", 1000), sources[1], "0" * 64) == sources[1].read_bytes()
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("damage", [b"", b"\1" * 99, b"\2" * 100])
def test_a_damaged_copy_is_fetched_again(sources, tmp_path, damage):
    data = sources[1].read_bytes()
    read(FileCache(tmp_path / "cache", 1000), sources[1], digest(data))
    (tmp_path / "cache" / digest(data)).write_bytes(damage)
    assert read(FileCache(tmp_path / "cache", 1000), sources[1], digest(data)) == data
    assert (tmp_path / "cache" / digest(data)).read_bytes() == data


def test_what_another_process_is_writing_stays_and_what_one_has_left_goes(sources, tmp_path):
    cache = FileCache(tmp_path / "cache", 150)
    data = sources[0].read_bytes()
    read(cache, sources[0], digest(data))
    writing, left = tmp_path / "cache" / ".tmp-1-x", tmp_path / "cache" / ".tmp-2-x"
    for path in (writing, left):
        path.write_bytes(bytes(100))
    os.utime(left, (0, 0))
    read(cache, sources[1], digest(sources[1].read_bytes()))
    assert writing.exists()
    assert not left.exists()


def test_several_readers_may_share_a_folder_that_is_too_small_for_them(sources, tmp_path):
    contents = [path.read_bytes() for path in sources]

    def use(reader: int) -> None:
        cache = FileCache(tmp_path / "cache", 250)
        for turn in range(40):
            number = (turn * (reader + 1)) % len(sources)
            assert read(cache, sources[number], digest(contents[number])) == contents[number]

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(use, range(4)))
