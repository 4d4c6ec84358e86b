"""Fixtures shared by the pipeline's tests."""

import os
from pathlib import Path

import pytest


@pytest.fixture
def remote(tmp_path):
    """The address of an empty folder on a remote file system, as far as the code can tell."""
    from tests.remote import FakeRemote

    return FakeRemote.address(tmp_path / "bucket")


@pytest.fixture(scope="module")
def originals() -> list[bytes]:
    """Every eighth of the full-size real paintings."""
    root = os.environ.get("PAINTINGS_DIR")
    if not root:
        pytest.skip("PAINTINGS_DIR names no real paintings")
    paths = sorted(Path(root, "kaggle_subset/images/images").rglob("*.jpg"))[::8]
    return [path.read_bytes() for path in paths]
