"""What an object store says, in this project's words, and the lock that is an object."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from obstore.exceptions import GenericError

from pipeline.errors import StorageError
from pipeline.storage import files, lock, objects
from pipeline.storage.lock import LOCK_FILE, exclusive
from tests import proxy
from tests.remote import serving, serving_google, spoilt, variables


@pytest.fixture(scope="module", params=[serving, serving_google])
def bucket(request: pytest.FixtureRequest) -> Iterator[str]:
    """Of Amazon's store, then of Google's."""
    with request.param() as address:
        yield address


@pytest.mark.parametrize("name", ["a b.txt", "Rap[h]ael/é#%1.jpg", "plus+&=.jpg", "'quoted' (1).jpg"])
def test_any_name_is_written_listed_and_read(remote: str, name: str) -> None:
    path = f"{remote}/deep/{name}"
    objects.put(path, [b"one ", b"two"])
    assert objects.get(path) == b"one two"
    assert [found.path for found in objects.below(remote)] == [path]
    found = objects.head(path)
    assert found is not None
    assert found.path == path
    assert found.bytes == 7


def test_a_listing_of_a_whole_bucket_and_of_a_folder_that_is_none(bucket: str, remote: str) -> None:
    objects.put(f"{remote}/x", [b""])
    assert f"{remote}/x" in {found.path for found in objects.below(bucket)}
    assert objects.directly_in(f"{remote}/none") == []
    assert files.sizes(f"{remote}/none") == {}


def test_what_is_not_there_is_an_os_error_and_no_bucket_a_sentence(remote: str) -> None:
    with pytest.raises(FileNotFoundError) as missing:
        objects.get(f"{remote}/none")
    assert missing.value.filename == f"{remote}/none"
    assert objects.head(f"{remote}/none") is None
    for ask in (objects.get, lambda path: list(objects.below(path)), lambda path: objects.put(path, [b""])):
        with pytest.raises(StorageError, match="There is no bucket nobody"):
            ask(f"{remote.partition('://')[0]}://nobody/x")


def test_what_must_be_new_or_as_it_was_is_refused_by_the_store(remote: str) -> None:
    path = f"{remote}/x"
    objects.put(path, [b"one"], new=True)
    with pytest.raises(FileExistsError):
        objects.put(path, [b"two"], new=True)
    before = objects.head(path)
    objects.put(path, [b"two"], instead_of=before)
    with pytest.raises(FileExistsError):
        objects.put(path, [b"three"], instead_of=before)
    assert objects.get(path) == b"two"


@pytest.mark.parametrize("way", proxy.WAYS)
def test_a_line_that_fails_once_does_not_show(remote: str, way: proxy.Between) -> None:
    objects.put(f"{remote}/there", [b"content" * 1000])

    def asked(ask: Callable[[], object]) -> object:
        first = iter([way])
        with spoilt(lambda request, forward: next(first, lambda *both: both[1](both[0]))(request, forward)):
            return ask()

    assert asked(lambda: objects.get(f"{remote}/there")) == b"content" * 1000
    assert asked(lambda: objects.get(f"{remote}/there", 7, 7)) == b"content"
    assert asked(lambda: [found.bytes for found in objects.below(remote)]) == [7000]
    assert asked(lambda: [found.bytes for found in objects.directly_in(remote)]) == [7000]
    asked(lambda: objects.put(f"{remote}/new", [b"mine"], new=True))
    before = objects.head(f"{remote}/new")
    asked(lambda: objects.put(f"{remote}/new", [b"mine still"], instead_of=before))
    assert objects.get(f"{remote}/new") == b"mine still"
    asked(lambda: objects.delete([f"{remote}/new", f"{remote}/there"]))
    assert list(objects.below(remote)) == []


def test_without_a_key_it_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "STORAGE_EMULATOR_HOST"):
        monkeypatch.delenv(name, raising=False)
    with variables():
        for place, key in (("s3", "AWS_ACCESS_KEY_ID"), ("gs", "gcloud auth"), ("az", "AZURE_STORAGE_ACCOUNT_NAME")):
            with pytest.raises(StorageError, match=f"no credentials were found: .*{key}"):
                objects.get(f"{place}://bucket/x")


@pytest.mark.parametrize("path", ["hdfs://host/x", "ftp://x/y", "s3://"])
def test_another_place_is_refused(path: str) -> None:
    with pytest.raises(StorageError, match="expected a local path, or an address such as s3://BUCKET"):
        objects.get(path)


def test_a_second_build_is_refused_until_the_first_ends(remote: str) -> None:
    said = r"Another build is writing into .*process"
    with exclusive(remote), pytest.raises(StorageError, match=said), exclusive(remote):
        pass
    assert files.sizes(remote) == {}
    with exclusive(remote):
        pass


def test_the_lock_of_a_killed_build_is_taken_over_once_it_is_not_renewed(
    remote: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects.put(f"{remote}/{LOCK_FILE}", [b"process 1 on a machine that is gone"])
    with pytest.raises(StorageError, match="process 1 on a machine that is gone"), exclusive(remote):
        pass
    monkeypatch.setattr(lock, "LEASE", -10.0)
    with exclusive(remote):
        assert b"that is gone" not in objects.get(f"{remote}/{LOCK_FILE}")


def test_a_lock_is_renewed_while_it_is_held(remote: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "_RENEWAL", 0.05)
    written: list[str] = []
    put = objects.put

    def counted(path: str, *given: object, **named: object) -> None:
        written.append(path)
        put(path, *given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(objects, "put", counted)
    with exclusive(remote):
        while len(written) < 4:
            time.sleep(0.01)
    assert set(written) == {f"{remote}/{LOCK_FILE}"}


def test_files_are_read_ahead_in_order_and_those_passed_over_or_gone_cost_no_other(remote: str) -> None:
    paths = [f"{remote}/{number}" for number in range(20)]
    for number, path in enumerate(paths):
        if number != 7:
            objects.put(path, [str(number).encode()])
    with files.ReadAhead(paths) as ahead:
        for number in (0, 1, 5, 6, 7, 8, 15, 19):
            if number == 7:
                with pytest.raises(FileNotFoundError):
                    ahead.read(paths[7])
            else:
                assert ahead.read(paths[number]) == str(number).encode()


def test_deleting_what_is_not_there_deletes_the_rest(remote: str) -> None:
    objects.put(f"{remote}/a", [b""])
    objects.put(f"{remote}/c", [b""])
    objects.delete([f"{remote}/a", f"{remote}/b", f"{remote}/c"])
    objects.delete([])
    assert list(objects.below(remote)) == []


def test_a_store_that_is_busy_is_not_taken_for_one_without_a_key() -> None:
    busy = GenericError("503 of ...?list-type=2&continuation-token=1: slow down")
    said = objects._translated(busy, "s3://bucket/folder")
    assert isinstance(said, StorageError)
    assert "cannot be reached" in str(said)
    assert "no credentials" not in str(said)
