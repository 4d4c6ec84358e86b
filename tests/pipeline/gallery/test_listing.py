"""What cannot be listed."""

from __future__ import annotations

import pytest

from pipeline.errors import InputError, StorageError
from pipeline.gallery.find import find_gallery


def test_an_empty_remote_folder_is_said(remote):
    with pytest.raises(InputError, match=r"does not exist or is empty"):
        find_gallery(remote)


def test_a_place_that_is_not_known_is_said():
    with pytest.raises(StorageError, match=r"nosuch://bucket.*: expected a local path, or an address"):
        find_gallery("nosuch://bucket/paintings")
