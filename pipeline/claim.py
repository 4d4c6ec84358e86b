"""Whose is a dataset's folder? This build's, where it is new or holds the same plan; else it is refused, or deleted."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from pipeline.dataset.contract import CONTRACT_FILE, FORMAT
from pipeline.errors import DatasetError
from pipeline.shards import BUILD_FOLDER, RECEIPTS, Target
from pipeline.storage import files, plain

PLAN_FILE = "plan.json"


def claim_folders(targets: Sequence[Target], abouts: Sequence[Mapping[str, Any]], overwrite: bool) -> None:
    """Makes the folders of datasets this build's, without what a killed one left half-written in them.

    Args:
      targets: the datasets.
      abouts: how each is built, for people.
      overwrite: whether another build's dataset may be deleted.

    Raises:
      DatasetError: a folder holds another build that may not be deleted, or something else. Nothing is touched then.
    """
    ours = [_is_ours(*pair, overwrite) for pair in zip(targets, abouts, strict=True)]
    for target, about, keep in zip(targets, abouts, ours, strict=True):
        if not keep:
            files.remove_tree(target.folder)
        _remove_half_written(target.folder)
        content = {"format": FORMAT, "fingerprint": target.fingerprint, "about": about}
        path = files.join(target.folder, BUILD_FOLDER, PLAN_FILE)
        files.write(path, [json.dumps(content, ensure_ascii=False, indent=1).encode()])


def tidy(folders: Sequence[str]) -> None:
    """Removes what a build that failed left half-written: it may be the disk that is full."""
    with suppress(OSError):  # it may be gone, too; what failed is said already, and the next build tidies first
        for folder in folders:
            _remove_half_written(folder)


def _is_ours(target: Target, about: Mapping[str, Any], overwrite: bool) -> bool:
    """Whether a dataset's folder is new, or of this build; False where it is of another that may be deleted.

    Raises:
      DatasetError: it is of another that may not be deleted, or holds something else.
    """
    there = files.sizes(target.folder)
    if PLAN_FILE in files.sizes(files.join(target.folder, BUILD_FOLDER)):
        other = _read_plan(target.folder)
        if other is None:
            if not overwrite:
                raise DatasetError(
                    f"{files.join(target.folder, BUILD_FOLDER, PLAN_FILE)} is damaged: whose build this is cannot be "
                    "told. Pass --overwrite to build it again, or another --output_dir to keep it."
                )
            return False
        if other["fingerprint"] != target.fingerprint or other["format"] != FORMAT:
            changed = [
                f"{key} was {other['about'].get(key)}, now {value}"
                for key, value in about.items()
                if key not in ("command", "versions") and other["about"].get(key) != value
            ]
            if other["format"] != FORMAT:
                changed.insert(0, f"its format was {other['format']}, now {FORMAT}")
            if not overwrite:
                raise DatasetError(
                    f"{target.folder} holds another build ({'; '.join(changed) or 'the paintings have changed'}). "
                    "Pass --overwrite to delete it, or another --output_dir to keep both."
                )
            return False
    elif there:
        if not (overwrite and CONTRACT_FILE in there):
            raise DatasetError(
                f"{target.folder} is not empty, and holds no build that could be resumed. "
                "Empty it yourself, or pass another --output_dir."
            )
        return False
    return True


def _read_plan(folder: str) -> dict[str, Any] | None:
    """What `claim_folders` wrote into a folder; None where it is damaged."""
    try:
        plan = plain.parse(files.read(files.join(folder, BUILD_FOLDER, PLAN_FILE)))
    except ValueError:
        return None
    whole = isinstance(plan, dict) and plan.keys() >= {"format", "fingerprint"} and isinstance(plan.get("about"), dict)
    return plan if whole else None


def _remove_half_written(folder: str) -> None:
    files.remove_temporary(folder)
    files.remove_temporary(files.join(folder, BUILD_FOLDER, RECEIPTS))
