"""Object stores: s3://, gs:// and az://. One client for each bucket in a process, a few verbs, and errors said once.

The client is obstore's. Whoever wants another endpoint, region, or no signature sets the standard variables of the
cloud: AWS_ENDPOINT_URL, AWS_REGION, AWS_SKIP_SIGNATURE; GOOGLE_APPLICATION_CREDENTIALS, STORAGE_EMULATOR_HOST;
AZURE_STORAGE_ACCOUNT_NAME. A put is there whole or not at all, by the store's own promise.
"""

from __future__ import annotations

import errno
import functools
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any, NamedTuple

from pipeline.errors import StorageError

PLACES = ("s3", "gs", "az")
_PATIENCE = 60.0  # seconds in which a request is tried again, of a store that is slow or says it is busy
_UNTIL_PATIENCE_ENDS = 1000  # tries
_SHORT_PATIENCE = 8.0  # the same where no key is set: whether there is one is then asked of the machine, if it knows
_EMULATOR = "STORAGE_EMULATOR_HOST"  # of Google's store; Google's own clients know it, too
_PART = 32 * 2**20  # bytes; what has more is put in parts of that size, each a request
_BUSY = re.compile(r"status code: (5\d\d [A-Z][\w ]+|429 [A-Z][\w ]+)")
_TORN = "response body error"  # in the client's text, of most of what it does not ask for again itself
_TRIES = 4  # of what was torn
_KEYS = {
    "s3": ("AWS_ACCESS_KEY_ID", "AWS_SKIP_SIGNATURE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_"),
    "gs": ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_SERVICE_ACCOUNT", "GOOGLE_SKIP_SIGNATURE", _EMULATOR),
    "az": ("AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_SAS", "AZURE_CLIENT_ID", "AZURE_SKIP_SIGNATURE"),
}
_NO_KEY = ("169.254.169.254", "metadata.google.internal", "credential", "Account must be specified")
_HINTS = {
    "s3": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (of a profile in ~/.aws: aws configure export-credentials "
    "--format env; for a bucket that is open to all: AWS_SKIP_SIGNATURE=true), and AWS_ENDPOINT_URL for a provider "
    "other than Amazon",
    "gs": "run gcloud auth application-default login, or set GOOGLE_APPLICATION_CREDENTIALS to a key file",
    "az": "set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}


class Found(NamedTuple):
    """An object.

    Attributes:
      path: its address.
      bytes: how many it has.
      modified: when it was last written, in seconds since 1970.
      version: what tells this content from another (its ETag).
      generation: the same, where a store asks for its number of it in place of the ETag (Google's).
    """

    path: str
    bytes: int
    modified: float
    version: str
    generation: str


def get(path: str, first: int = 0, count: int | None = None) -> bytes:
    """The bytes of an object, or so many of them from one on.

    Raises OSError (FileNotFoundError, PermissionError), or StorageError of the place.
    """
    store, key = _open(path)
    if count is None:
        return bytes(_patiently(path, lambda: store.get(key).bytes()))
    return bytes(_patiently(path, lambda: store.get_range(key, start=first, length=count)))


def put(path: str, pieces: Iterable[bytes], new: bool = False, instead_of: Found | None = None) -> None:
    """Writes an object.

    Args:
      path: of it.
      pieces: of its bytes. Under a condition, no other writer may write the same: where an answer is lost, and the
        store refuses the second try, they tell that the first was done.
      new: whether there must be none of that name; the store itself sees to it.
      instead_of: what must be there now; the store sees to that, too.

    Raises:
      FileExistsError: there is another than there should be.
      OSError, StorageError: as `get`.
    """
    store, key = _open(path)
    there: Any = "create" if new else "overwrite"
    if instead_of:
        there = {"e_tag": instead_of.version, "version": instead_of.generation}
    data = b"".join(pieces)
    try:
        _patiently(path, lambda: store.put(key, data, mode=there, chunk_size=_PART))
    except FileExistsError:
        if get(path) != data:
            raise


def below(folder: str) -> Iterator[Found]:
    """All objects below a folder, at any depth. Raises as `get`."""
    store, key = _open(folder)
    last, torn = None, 0
    while True:
        try:
            with _Said(folder):
                for chunk in store.list(key or None, offset=last):
                    yield from (_found(folder, meta) for meta in chunk)
                    last, torn = chunk[-1]["path"], 0
            return
        except _TornError:
            torn += 1
            if torn == _TRIES:
                raise


def directly_in(folder: str) -> list[Found]:
    """The objects directly in a folder. Raises as `get`."""
    store, key = _open(folder)
    listed = _patiently(folder, lambda: store.list_with_delimiter(key or None))
    return [_found(folder, meta) for meta in listed["objects"]]


def head(path: str) -> Found | None:
    """What is known of an object; None where there is none. Raises as `get`."""
    store, key = _open(path)
    try:
        return _found(path, _patiently(path, lambda: store.head(key)))
    except FileNotFoundError:
        return None


def delete(paths: Iterable[str]) -> None:
    """Deletes objects of one bucket, which may not be there. Raises as `get`."""
    named = list(paths)
    if not named:
        return
    keys = [key for _, key in map(_open, named)]
    store, _ = _open(named[0])
    try:
        _patiently(named[0], lambda: store.delete(keys))
    except FileNotFoundError:  # some stores say so, and may leave the others
        for path, key in zip(named, keys, strict=True):
            with suppress(FileNotFoundError):
                _patiently(path, functools.partial(store.delete, key))


def _patiently(path: str, ask: Callable[[], Any], tries: int = _TRIES) -> Any:
    """Asks again where an answer is torn. Raises as `get`."""
    try:
        with _Said(path):
            return ask()
    except _TornError:
        if tries == 1:
            raise
        return _patiently(path, ask, tries - 1)


def _found(beside: str, meta: Any) -> Found:
    """What a listing says of an object in the bucket of another address."""
    place, _, rest = beside.partition("://")
    return Found(
        f"{place}://{rest.partition('/')[0]}/{meta['path']}",
        meta["size"],
        meta["last_modified"].timestamp(),
        meta["e_tag"] or "",
        meta["version"] or "",
    )


def _open(path: str) -> tuple[Any, str]:
    """(client, key) of an address. Raises StorageError where it is of no place that is known, or that has no key."""
    place, _, rest = path.partition("://")
    bucket, _, key = rest.partition("/")
    if place not in PLACES or not bucket:
        raise StorageError(
            f"{path}: expected a local path, or an address such as s3://BUCKET/folder, gs://BUCKET/folder or "
            "az://CONTAINER/folder. Other file systems are not read; mount them, and pass the path."
        )
    with _Said(path):
        return _client(place, bucket), key.strip("/")


@functools.cache
def _client(place: str, bucket: str) -> Any:
    from obstore.store import from_url

    has_key = any(name.startswith(_KEYS[place]) for name in os.environ)
    emulator = os.environ.get(_EMULATOR, "") if place == "gs" else ""
    endpoint = emulator if place == "gs" else os.environ.get("AWS_ENDPOINT_URL", "")
    patience = _PATIENCE if has_key else _SHORT_PATIENCE
    return from_url(  # type: ignore[call-overload]
        f"{place}://{bucket}",
        **({"service_account_key": _no_key(emulator)} if emulator else {}),
        client_options={"allow_http": endpoint.startswith("http://"), "connect_timeout": "5s", "timeout": "60s"},
        retry_config={
            "max_retries": _UNTIL_PATIENCE_ENDS,
            "backoff": {
                "init_backoff": timedelta(seconds=0.1),
                "max_backoff": timedelta(seconds=patience / 8),
                "base": 3.0,
            },
            "retry_timeout": timedelta(seconds=patience),
        },
    )


def _no_key(emulator: str) -> str:
    """The key file that leads the client to an emulator, which asks for none."""
    nobody = dict.fromkeys(("client_email", "private_key", "private_key_id"), "")
    return json.dumps({"gcs_base_url": emulator, "disable_oauth": True, **nobody})


class _TornError(StorageError):
    """An answer that ended before it should."""


class _Said:
    """Turns the client's errors into this project's, in a `with` block about one place."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception) and (made := _translated(error, self._path)):
            raise made from error


def _translated(error: Exception, path: str) -> Exception | None:
    """What to raise in place of an error; None for one that is not of the store."""
    from obstore import exceptions

    place, _, rest = path.partition("://")
    bucket, hint = rest.partition("/")[0], _HINTS.get(place, "")
    text = str(error)
    if "NoSuchBucket" in text or "bucket does not exist" in text.lower():
        return StorageError(f"There is no bucket {bucket} ({path}). Make it, or name another.")
    if isinstance(error, FileNotFoundError | exceptions.NotFoundError):
        return FileNotFoundError(errno.ENOENT, "there is no such object", path)
    if isinstance(error, exceptions.AlreadyExistsError | exceptions.PreconditionError):
        return FileExistsError(errno.EEXIST, "there is one already", path)
    if isinstance(error, PermissionError | exceptions.PermissionDeniedError | exceptions.UnauthenticatedError):
        return PermissionError(errno.EACCES, f"the store does not allow it: {hint}", path)
    if not isinstance(error, exceptions.BaseError):
        return None
    if any(word in text for word in _NO_KEY):
        return StorageError(f"{path}: no credentials were found: {hint}.")
    if busy := _BUSY.search(text):
        return StorageError(
            f"{path} cannot be reached: for {_PATIENCE:.0f} s the store has answered {busy[1]}. Run the same command "
            "again later: what is finished is kept."
        )
    kind = _TornError if _TORN in text else StorageError
    return kind(f"{path} cannot be reached: {text.splitlines()[0][:300]}. If it is another place: {hint}.")
