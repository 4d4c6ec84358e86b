"""Fixtures shared by the pipeline's tests."""

import pytest


@pytest.fixture
def remote(tmp_path):
    """The address of an empty folder on a remote file system, as far as the code can tell."""
    from tests.remote import FakeRemote

    return FakeRemote.address(tmp_path / "bucket")
