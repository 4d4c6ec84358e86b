"""Fixtures shared by the pipeline's tests."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.remote import serving


@pytest.fixture(scope="session")
def bucket() -> Iterator[str]:
    """The address of a bucket on loopback."""
    with serving() as address:
        yield address


@pytest.fixture
def remote(bucket: str, request: pytest.FixtureRequest) -> str:
    """The address of an empty folder in an object store."""
    return f"{bucket}/{request.node.nodeid.translate(str.maketrans('/:[]', '____'))}"


@pytest.fixture(scope="module")
def originals() -> list[bytes]:
    """Every eighth of the full-size real paintings."""
    root = os.environ.get("PAINTINGS_DIR")
    if not root:
        pytest.skip("PAINTINGS_DIR names no real paintings")
    paths = sorted(Path(root, "kaggle_subset/images/images").rglob("*.jpg"))[::8]
    return [path.read_bytes() for path in paths]
