"""Whose a dataset's folder is."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pipeline.claim import claim_folders
from pipeline.errors import DatasetError
from pipeline.shards import Target

ABOUT = {"seed": 1}


def target(folder: Path) -> Target:
    return cast(Target, SimpleNamespace(folder=str(folder), fingerprint="a1"))


def test_a_claimed_folder_stays_the_same_builds(tmp_path: Path) -> None:
    claim_folders([target(tmp_path)], [ABOUT], overwrite=False)
    (tmp_path / "shard").write_bytes(b"kept")
    claim_folders([target(tmp_path)], [ABOUT], overwrite=False)
    assert (tmp_path / "shard").read_bytes() == b"kept"


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"format": 1}', b'{"format":1,"fingerprint":"a1","about":0}', b"\xff", b"[" * 10**6]
)
def test_a_damaged_plan_is_named_and_can_be_overwritten(tmp_path: Path, content: bytes) -> None:
    claim_folders([target(tmp_path)], [ABOUT], overwrite=False)
    (plan,) = tmp_path.glob("**/plan.json")
    plan.write_bytes(content)
    with pytest.raises(DatasetError, match=r"plan\.json is damaged: .*--overwrite"):
        claim_folders([target(tmp_path)], [ABOUT], overwrite=False)
    assert plan.read_bytes() == content
    claim_folders([target(tmp_path)], [ABOUT], overwrite=True)
    claim_folders([target(tmp_path)], [ABOUT], overwrite=False)


def test_another_build_is_refused_with_what_differs(tmp_path: Path) -> None:
    claim_folders([target(tmp_path)], [ABOUT], overwrite=False)
    other: Any = SimpleNamespace(folder=str(tmp_path), fingerprint="b2")
    with pytest.raises(DatasetError, match="seed was 1, now 2"):
        claim_folders([other], [{"seed": 2}], overwrite=False)
