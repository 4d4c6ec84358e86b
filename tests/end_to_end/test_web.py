"""A manifest of web addresses becomes a dataset, each picture fetched once, and what cannot be had is a reject."""

from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.dataset.dataset import Dataset
from pipeline.dataset.rejects import read_rejects
from pipeline.verify import verify
from tests.end_to_end import builds
from tests.pipeline.pictures.scenes import saved
from tests.web import Answer, serving


def picture(number: int) -> bytes:
    pixels = np.random.default_rng(number).integers(0, 256, (60, 70, 3), np.uint8)
    return saved(Image.fromarray(pixels), "JPEG", quality=90)


def test_pictures_of_the_web_are_built_from_like_files(tmp_path: Path) -> None:
    def answer(path: str, time: int) -> Answer:
        number = int(path.rpartition("/")[2].partition(".")[0])
        return Answer(status=404) if number == 11 else Answer(picture(number))

    with serving(answer) as site:
        rows = [f"{site.address}/art/{number}.jpg,{'Ada' if number % 2 else 'Bela'}" for number in range(12)]
        (tmp_path / "art.csv").write_text("\n".join(["path,artist", *rows]))
        manifest = f"--manifest={tmp_path / 'art.csv'}"
        printed = builds.build(None, tmp_path / "out", manifest, "--crop=16", "--samples=2", "--max_rejects=0.1")
        assert "1 unreadable" in printed
        builds.build(None, tmp_path / "out", manifest, "--reshape=16", "--max_rejects=0.1")
        assert site.asked.pop("/art/11.jpg") == 2  # what could not be had is tried again by the next build
        assert set(site.asked.values()) == {1}
        assert site.at_once <= 2 * 2  # of each worker
    dataset = Dataset.open(tmp_path / "out" / "crop16x2")
    assert list(verify(dataset)) == []
    paintings = {row["path"]: row["bytes"] for row in dataset.paintings("path", "bytes")}
    assert paintings == {f"{site.address}/art/{number}.jpg": len(picture(number)) for number in range(11)}
    (reject,) = read_rejects((tmp_path / "out" / "crop16x2" / "1.0.0" / "rejects.csv").read_bytes())
    assert (reject.path, reject.detail) == (f"{site.address}/art/11.jpg", "HTTP 404 Not Found")
