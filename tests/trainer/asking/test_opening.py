"""Pictures are opened in processes that they may end."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from pipeline.dataset.dataset import Dataset
from trainer import predict
from trainer.run.folder import RunFolder


def test_a_picture_that_takes_too_long_costs_no_other_its_answer(
    judged_run: Path, judged_dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    slow = tmp_path / "slow.png"
    Image.new("RGB", (5000, 5000)).save(slow, compress_level=1)  # a third of a second of decoding
    first, second = [row["path"] for row in Dataset.open(judged_dataset).paintings("path")][:2]
    assert predict.predict(RunFolder(judged_run), [first, str(slow), second], None, max_seconds=0.1) == 1
    said = capsys.readouterr()
    assert [line.split(",")[0] for line in said.out.splitlines()[1:]] == [first, second]
    assert "slow.png: took too long" in said.err
    assert "1 of the files could not be read" in said.err
