"""What cannot be listed."""

from __future__ import annotations

import pytest

from pipeline.errors import InputError
from pipeline.gallery.find import find_gallery


def test_an_empty_remote_folder_is_said(remote):
    with pytest.raises(InputError, match=r"does not exist or is empty"):
        find_gallery(remote)


def test_a_scheme_without_file_system_is_said():
    with pytest.raises(InputError, match=r"nosuch://bucket.* cannot be listed: Unable to get filesystem"):
        find_gallery("nosuch://bucket/paintings")
