"""Pictures of judged paintings for the report: the file where it still is, else the crops from the records.

Whatever is embedded is a small JPEG made here; no file's bytes, names or profiles reach the page.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.dataset.dataset import Dataset
from pipeline.pages.html import data_uri
from pipeline.pictures.decode import decode
from pipeline.pictures.fault import ImageError
from pipeline.storage.recorded import read_recorded
from trainer.pages.plots import Patch

LONGEST = 240  # pixels of a thumbnail's longer side
LONGEST_CROP = 64
QUALITY = 70


def thumbnail(path: str, data_dir: str, digest: str, max_pixels: int) -> tuple[Image.Image, tuple[int, int]] | None:
    """(small picture, (width, height) of the file) of a painting; None where the file is gone, changed or unreadable.

    Args:
      path: of the file.
      data_dir: the folder that its dataset was built from; a file elsewhere is not opened.
      digest: the beginning, or all, of its hex sha256 when the dataset was built.
      max_pixels: of a larger picture nothing is shown.
    """
    if (data := read_recorded(path, data_dir, digest)) is None:
        return None
    try:
        painting = decode(data, max_pixels=max_pixels, at_least=LONGEST)
    except ImageError:
        return None
    small = painting.image.copy()
    small.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
    return small, (painting.width, painting.height)


@dataclass(slots=True)
class Likeness:
    """What there is to see of a painting.

    Attributes:
      file: its file's name; "" where unknown.
      patches: pictures of it, whole or in parts.
      whole: all of it, small; None where there are parts only.
    """

    file: str = ""
    patches: list[Patch] = field(default_factory=list)
    whole: Image.Image | None = None


def likenesses(dataset: Dataset, split: str, wanted: Collection[str], max_pixels: int) -> dict[str, Likeness]:
    """The pictures of some paintings of a split, by painting id.

    A painting whose file is still what it was when the dataset was built is one patch; of the others, those windows
    are shown that the records hold. So they are of one with more than `max_pixels`.
    """
    found = {name: Likeness() for name in wanted}
    for row in dataset.paintings("painting_id", "path", "digest", split=split):
        if likeness := found.get(row["painting_id"]):
            likeness.file = Path(row["path"]).name
            if seen := thumbnail(row["path"], dataset.contract.data_dir, row["digest"], max_pixels):
                likeness.whole, (width, height) = seen
                likeness.patches.append(Patch((0, 0, width, height), data_uri(likeness.whole, LONGEST, QUALITY)))
    missing = {name for name, likeness in found.items() if not likeness.patches}
    if missing:
        for name, patch in _crops(dataset, split, missing):
            found[name].patches.append(patch)
    return found


def _crops(dataset: Dataset, split: str, wanted: Collection[str]) -> Iterator[tuple[str, Patch]]:
    from trainer.data.evaluation import evaluation_batches

    for batch in evaluation_batches(dataset, split, 256):
        ids = [name.decode("ascii") for name in batch["painting_id"]]
        for row in np.flatnonzero([name in wanted for name in ids]):
            uri = data_uri(Image.fromarray(batch["image"][row]), LONGEST_CROP, QUALITY)
            left, top, right, bottom = map(float, batch["crop_box"][row])
            yield ids[row], Patch((left, top, right, bottom), uri)
