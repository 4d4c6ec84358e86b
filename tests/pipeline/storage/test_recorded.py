"""A table of somebody else opens no file but those it was made of."""

import hashlib
import os

import pytest

from pipeline.storage.recorded import read_recorded

CONTENT = b"a painting"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def gallery(tmp_path):
    (tmp_path / "gallery" / "Ada").mkdir(parents=True)
    for path in (tmp_path / "gallery" / "Ada" / "a.jpg", tmp_path / "outside.jpg"):
        path.write_bytes(CONTENT)
    return tmp_path / "gallery"


@pytest.mark.parametrize("digest", [DIGEST, DIGEST[:16]])
def test_the_file_that_was_recorded_is_read(gallery, digest):
    assert read_recorded(str(gallery / "Ada" / "a.jpg"), str(gallery), digest) == CONTENT
    assert read_recorded(str(gallery / "Ada" / "a.jpg"), "/", digest) == CONTENT


@pytest.mark.parametrize("digest", ["", DIGEST[:15], "0" * 64, DIGEST.upper(), DIGEST[:16] + "-2", ".*"])
def test_without_the_digest_of_its_bytes_no_file_is_read(gallery, digest):
    assert read_recorded(str(gallery / "Ada" / "a.jpg"), str(gallery), digest) is None


@pytest.mark.parametrize(
    "path", ["{}/../outside.jpg", "{}", "{}/Ada", "{}/gone.jpg", "{}/Ada/a.jpg\0", "Ada/a.jpg", ""]
)
def test_nothing_outside_the_folder_is_read(gallery, path):
    assert read_recorded(path.format(gallery), str(gallery), DIGEST) is None
    assert read_recorded(str(gallery / "Ada" / "a.jpg"), "", DIGEST) is None
    assert read_recorded(str(gallery / "Ada" / "a.jpg"), f"{gallery}/A", DIGEST) is None


def test_a_pipe_or_a_device_is_not_opened(gallery):
    os.mkfifo(gallery / "pipe")
    (gallery / "zero").symlink_to("/dev/zero")
    for name in ("pipe", "zero"):
        assert read_recorded(str(gallery / name), str(gallery), DIGEST) is None
