"""Asking a run about pictures: the same pixels as training, an answer for every kind of file, and maps."""

from __future__ import annotations

import csv
import errno
import io
import itertools
import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipeline.dataset.contract import SPLITS, Contract, Encoding
from pipeline.dataset.dataset import Dataset
from pipeline.dataset.schemes import parse_scheme
from pipeline.errors import InputError
from pipeline.storage.cells import unescape
from tests import forked, runs
from tests.end_to_end import builds
from trainer import predict
from trainer.asking.attributor import Attributor, parse
from trainer.asking.opening import open_picture
from trainer.judging.activation import Region
from trainer.judging.calibration import calibrated
from trainer.pages import maps
from trainer.run.expertise import Expertise
from trainer.run.folder import RunFolder


@pytest.fixture(scope="module")
def attributor(judged_run: Path) -> Attributor:
    return Attributor(RunFolder(judged_run))


@pytest.fixture(scope="module")
def paintings(judged_dataset: Path) -> pd.DataFrame:
    return pd.DataFrame(Dataset.open(judged_dataset).planned())


def expertise_of(contract: Contract) -> Expertise:
    return Expertise(
        contract.artists, (1,) * len(contract.artists), contract.scheme, contract.seed, contract.encoding, 1.0, None,
        contract.fingerprint,
    )  # fmt: skip


def assert_same_records(dataset: Path) -> int:
    """Every record of a dataset against those made of its files for an attribution; how many there were."""
    from trainer.data.evaluation import evaluation_batches

    expertise = expertise_of(Dataset.open(dataset).contract)
    rows = pd.DataFrame(Dataset.open(dataset).planned()).set_index("painting_id")
    made = {
        name: parse(open_picture(Path(path).read_bytes(), expertise, False).examples, expertise)
        for name, path in rows["path"].items()
    }
    seen = 0
    for split in SPLITS:
        for batch in evaluation_batches(Dataset.open(dataset), split, 32):
            for row, name in enumerate(batch["painting_id"]):
                ours, index = made[name.decode()], batch["crop_index"][row]
                for key in ("image", "crop_box", "source_size", "crop_index", "painting_id"):
                    np.testing.assert_array_equal(ours[key][index], batch[key][row], err_msg=f"{key} of {name}")
                seen += 1
    return seen


# --- One way from a file to pixels ---


@pytest.mark.parametrize(("scheme", "encoding"), [("crop32x4", "jpeg"), ("crop96x2", "png"), ("reshape24", "raw")])
def test_crops_of_a_file_are_bit_by_bit_its_records(scheme: str, encoding: Encoding, tmp_path: Path):
    dataset = runs.make_dataset(tmp_path, scheme, encoding)
    assert assert_same_records(dataset) == 128 * (parse_scheme(scheme).per_painting or 0)


def test_crops_of_a_file_are_bit_by_bit_what_the_builder_wrote(judged_dataset: Path, tmp_path: Path):
    gallery = judged_dataset.parents[2] / "images"
    builds.build(gallery, tmp_path, "--crop=48", "--samples=3", "--reshape=40", "--dedup=exact")
    assert assert_same_records(tmp_path / "crop48x3" / "1.0.0") == 128 * 3
    assert assert_same_records(tmp_path / "reshape40" / "1.0.0") == 128


def test_an_attribution_is_what_the_evaluation_found(attributor: Attributor, paintings: pd.DataFrame, judged_run: Path):
    frame = pd.read_parquet(judged_run / "predictions.parquet")
    temperature = json.loads((judged_run / "expertise.json").read_text())["temperature"]
    for row in paintings[paintings["split"] == "test"].itertuples():
        answer = attributor.attribute(attributor.open(Path(row.path).read_bytes()))
        scores = np.stack(frame[frame["painting_id"] == row.painting_id]["scores"]).mean(axis=0)
        expected = calibrated(scores, temperature)
        assert answer.artist == runs.ARTISTS[expected.argmax()].name
        assert answer.probability == pytest.approx(expected.max(), abs=1e-4)
        assert not answer.trained_on


def test_a_training_painting_is_recognised_as_such(attributor: Attributor, paintings: pd.DataFrame):
    row = paintings[paintings["split"] == "train"].iloc[5]
    answer = attributor.attribute(attributor.open(Path(row["path"]).read_bytes()))
    assert answer.trained_on
    assert row["painting_id"] in {reference.painting_id for reference in answer.nearest}
    assert [reference.similarity for reference in answer.nearest] == sorted(
        (reference.similarity for reference in answer.nearest), reverse=True
    )


def test_below_the_threshold_it_is_unsure(judged_run: Path, paintings: pd.DataFrame, tmp_path: Path):
    data = Path(paintings["path"][0]).read_bytes()
    for threshold, unsure in ((0.0, False), (1.01, True), (None, True)):
        run_dir = shutil.copytree(judged_run, tmp_path / str(threshold))
        content = json.loads((run_dir / "expertise.json").read_text())
        (run_dir / "expertise.json").write_text(json.dumps({**content, "threshold": threshold}))
        asked = Attributor(RunFolder(run_dir))
        assert asked.attribute(asked.open(data)).unsure is unsure


# --- The command ---


@pytest.fixture(scope="module")
def odd_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of unusual kinds, and files that are none."""
    folder = tmp_path_factory.mktemp("odd")
    painted = runs.paint(0, np.random.default_rng(5)).resize((160, 120))
    painted.convert("CMYK").save(folder / "cmyk.jpg")
    painted.convert("L").convert("I;16").save(folder / "deep.png")
    turned = Image.Exif()
    turned[0x0112] = 6
    painted.save(folder / "sub, folder.tiff")
    (folder / "nested").mkdir()
    painted.transpose(Image.Transpose.ROTATE_90).save(folder / "nested" / "turned.jpg", exif=turned)
    painted.resize((20, 20)).save(folder / "tiny.png")
    painted.resize((8000, 300)).save(folder / "wide.jpg")
    painted.save(folder / "whole.jpg")
    (folder / "broken.jpg").write_bytes((folder / "whole.jpg").read_bytes()[:1500])
    (folder / "text.jpg").write_text("no picture")
    (folder / "empty.webp").touch()
    (folder / "readme.txt").write_text("left out")
    (folder / ".hidden.jpg").write_text("left out")
    (folder / "link.jpg").symlink_to(folder / "nowhere")
    return folder


def command(run_dir: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return forked.run("trainer.predict", f"--run_dir={run_dir}", *arguments)


def test_a_folder_gives_a_table_in_order_and_broken_files_are_named(judged_run: Path, odd_folder: Path, tmp_path: Path):
    done = command(judged_run, f"--map={tmp_path / 'maps'}", odd_folder)
    assert done.returncode == 1
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    names = ["cmyk.jpg", "deep.png", "nested/turned.jpg", "sub, folder.tiff", "tiny.png", "whole.jpg", "wide.jpg"]
    assert [row["path"] for row in rows] == [str(odd_folder / name) for name in names]
    for row in rows:
        ranked = [entry.rsplit(" ", 1) for entry in row["top5"].split("; ")]
        assert [row["artist"], row["probability"]] == ranked[0]
        assert sum(float(probability) for _, probability in ranked) <= 1.001
        assert row["unsure"] in ("yes", "no")
    for broken in ("broken.jpg: truncated", "text.jpg: not an image", "empty.webp: empty", "link.jpg: broken link"):
        assert str(odd_folder / broken) in done.stderr
    assert "4 of the files could not be read." in done.stderr
    assert "Traceback" not in done.stderr
    drawn = sorted((tmp_path / "maps").iterdir())
    assert len(drawn) == len(names)
    for path in drawn:
        with Image.open(path) as image:
            assert max(image.size) <= maps.LONGEST + 24 * 8 + 16


def test_one_file_is_answered_in_sentences(
    judged_run: Path, odd_folder: Path, paintings: pd.DataFrame, capsys: pytest.CaptureFixture[str]
):
    path = paintings[paintings["split"] == "train"]["path"].iloc[0]
    assert predict.predict(RunFolder(judged_run), [path], None) == 0
    said = capsys.readouterr().out
    assert "trained on this very file" in said
    assert path in said.split("Nearest training paintings")[1]
    assert predict.predict(RunFolder(judged_run), [str(odd_folder / "broken.jpg")], None) == 1
    assert "truncated" in capsys.readouterr().err
    with pytest.raises(InputError, match="There is no file or folder"):
        predict.predict(RunFolder(judged_run), [path, str(odd_folder / "nowhere.jpg")], None)
    assert capsys.readouterr().out == ""


def test_cells_that_a_spreadsheet_would_run_are_escaped_and_read_back(
    judged_run: Path,
    odd_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.chdir(tmp_path)
    names = ["=cmd()\x1b[2J.jpg", "-whole.jpg"]
    for name in names:
        shutil.copy(odd_folder / "whole.jpg", name)
    assert predict.predict(RunFolder(judged_run), names, None) == 0
    out = capsys.readouterr().out
    cells = [row["path"] for row in csv.DictReader(io.StringIO(out))]
    assert all(cell.startswith("'") for cell in cells)
    assert [unescape(cell) for cell in cells] == names
    assert "\x1b" not in out


def test_the_limit_of_the_build_is_the_runs_own_and_a_flag_sets_another(
    judged_run: Path, odd_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    picture = odd_folder / "whole.jpg"
    with Image.open(picture) as image:
        pixels = image.width * image.height
    run = RunFolder(shutil.copytree(judged_run, tmp_path / "run"))
    run.write_expertise(replace(run.expertise, max_pixels=pixels - 1))
    assert predict.predict(run, [str(picture)], None) == 1
    assert f"the limit is {pixels - 1:,}" in capsys.readouterr().err
    assert predict.predict(run, [str(picture)], None, pixels) == 0


def test_it_answers_when_the_dataset_is_gone(judged_run: Path, odd_folder: Path, tmp_path: Path):
    run_dir = shutil.copytree(judged_run, tmp_path / "run")
    (run_dir / "run.json").unlink()
    asked = Attributor(RunFolder(run_dir))
    assert asked.attribute(asked.open((odd_folder / "whole.jpg").read_bytes())).ranked


def test_a_folder_is_read_by_the_rule_of_the_builder(
    odd_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    for name in ("St. Jerome", "a.jpg!Large", "b.jpg_large", "c.mpo", "d.dib"):
        shutil.copy(odd_folder / "whole.jpg", tmp_path / name)
    for name in ("notes.txt", ".hidden.jpg", "e.jpg.part", "LICENSE"):
        (tmp_path / name).write_text("left out")
    os.mkfifo(tmp_path / "pipe.jpg")
    found = list(predict.pictures([str(tmp_path)]))
    assert [(Path(path).name, fault) for path, fault in found] == [
        ("St. Jerome", ""),
        ("a.jpg!Large", ""),
        ("b.jpg_large", ""),
        ("c.mpo", ""),
        ("d.dib", ""),
        ("pipe.jpg", "not a regular file: a pipe, socket or device"),
    ]
    said = capsys.readouterr().err
    assert "no pictures were left out" in said
    assert ".txt 1" in said


@pytest.mark.parametrize(("name", "fault"), [(None, "empty"), ("a.txt", "holds no pictures, only other files: .txt 1")])
def test_a_folder_without_a_picture_is_a_fault(name: str | None, fault: str, tmp_path: Path):
    if name:
        (tmp_path / name).touch()
    ((path, found),) = predict.pictures([str(tmp_path)])
    assert path == str(tmp_path)
    assert fault in found


def test_a_pipe_that_is_named_is_not_waited_for(judged_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    os.mkfifo(tmp_path / "pipe.jpg")
    assert predict.predict(RunFolder(judged_run), [str(tmp_path / "pipe.jpg")], None) == 1
    assert "pipe.jpg: not a regular file" in capsys.readouterr().err


# --- Maps ---


def test_a_picture_of_the_longest_name_gets_its_answer_and_its_map(
    judged_run: Path, odd_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = tmp_path / ("ü" * 122 + "a.jpg")
    shutil.copy(odd_folder / "whole.jpg", path)
    assert predict.predict(RunFolder(judged_run), [str(path)], tmp_path / "maps") == 0
    (drawn,) = (tmp_path / "maps").iterdir()
    assert drawn.name.startswith("üü")
    assert str(drawn) in capsys.readouterr().out


def test_maps_that_cannot_go_where_they_should_cost_no_answer(
    judged_run: Path, odd_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "map.png").write_bytes(b"mine")
    assert predict.predict(RunFolder(judged_run), [str(odd_folder / "whole.jpg")], tmp_path / "map.png") == 1
    said = capsys.readouterr()
    assert "Nearest training paintings" in said.out
    assert said.err.startswith(f"No maps are drawn: --map={tmp_path / 'map.png'} is no folder")
    assert (tmp_path / "map.png").read_bytes() == b"mine"


def test_a_map_that_cannot_be_written_costs_no_answer_and_the_picture_is_not_blamed(
    judged_run: Path,
    odd_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    def full(image: Image.Image, stream: object, form: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Image.Image, "save", full)
    assert predict.predict(RunFolder(judged_run), [str(odd_folder / "whole.jpg")], tmp_path / "maps") == 1
    said = capsys.readouterr()
    assert "Nearest training paintings" in said.out
    assert "whole.jpg: answered, without a map. No room left to write" in said.err
    assert "could not be read" not in said.err


@given(st.integers(8, 9000), st.integers(8, 9000), st.integers(8, 512))
def test_windows_reach_every_corner_and_stay_few(width: int, height: int, size: int):
    boxes = maps.windows(width, height, size)
    side = min(size, width, height)
    assert 1 <= len(boxes) <= maps.MOST_WINDOWS
    assert boxes[0][:2] == (0, 0)
    assert boxes[-1][2:] == (width, height)
    assert {(right - left, bottom - top) for left, top, right, bottom in boxes} == {(side, side)}


def test_each_half_of_a_picture_speaks_for_its_painter():
    left, right = np.array([0.9, 0.05, 0.05]), np.array([0.1, 0.1, 0.8])
    regions = [
        Region(box, left if box[0] + box[2] < 200 else right)
        for box in [tuple(map(float, box)) for box in maps.windows(200, 100, 40)]
    ]
    cells = maps.average(regions, 200, 100)
    np.testing.assert_allclose(cells.sum(axis=2), 1)
    assert cells.shape == (64, 128, 3)
    assert (cells[:, :40].argmax(axis=2) == 0).all()
    assert (cells[:, 88:].argmax(axis=2) == 2).all()
    found = maps.shares(cells, ["Ada", "Béla", "Cyn"])
    assert {share.artist for share in found} == {"Ada", "Cyn"}
    assert sum(share.share for share in found) == pytest.approx(1)
    drawn = maps.draw(Image.new("RGB", (200, 100), "white"), regions, ["Ada", "Béla", "Cyn"])
    blue, orange = np.asarray(drawn)[50, 60], np.asarray(drawn)[50, 540]
    colours = {share.artist: tuple(int(share.colour[at : at + 2], 16) for at in (1, 3, 5)) for share in found}
    assert nearer(blue, colours["Ada"], colours["Cyn"])
    assert nearer(orange, colours["Cyn"], colours["Ada"])


def nearer(colour: np.ndarray, one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return np.abs(colour - np.array(one)).sum() < np.abs(colour - np.array(other)).sum()


def test_gaps_between_windows_take_the_nearest_ones_word():
    regions = [
        Region((0.0, 0.0, 10.0, 10.0), np.array([1.0, 0.0])),
        Region((90.0, 0.0, 100.0, 10.0), np.array([0.0, 1.0])),
    ]
    cells = maps.average(regions, 100, 10)
    assert (cells[:, :63].argmax(axis=2) == 0).all()
    assert (cells[:, 65:].argmax(axis=2) == 1).all()


def test_more_artists_than_colours_share_one_called_others():
    rows = itertools.chain.from_iterable([label] * (12 - label) for label in range(10))
    cells = np.eye(10)[np.array(list(rows))][None]
    found = maps.shares(cells, [f"Painter {label}" for label in range(10)])
    assert len(found) == len(maps.COLOURS) + 1
    assert found[-1].artist == "others"
    assert sum(share.share for share in found) == pytest.approx(1)


def test_a_run_on_whole_paintings_draws_maps_of_places(judged_run: Path, odd_folder: Path, tmp_path: Path):
    run_dir = shutil.copytree(judged_run, tmp_path / "run")
    content = json.loads((run_dir / "expertise.json").read_text())
    (run_dir / "expertise.json").write_text(json.dumps({**content, "scheme": "reshape32"}))
    asked = Attributor(RunFolder(run_dir))
    picture = asked.open((odd_folder / "whole.jpg").read_bytes())
    regions = asked.regions(picture)
    assert max(region.box[2] for region in regions) == pytest.approx(picture.whole.width)
    assert max(region.box[3] for region in regions) == pytest.approx(picture.whole.height)
    assert all(region.probabilities.sum() == pytest.approx(1) for region in regions)
    assert predict.predict(RunFolder(run_dir), [str(odd_folder / "whole.jpg")], tmp_path / "maps") == 0
    assert len(list((tmp_path / "maps").iterdir())) == 1


def test_answers_come_in_the_order_of_the_pictures_and_are_those_of_single_questions(
    judged_run: Path, paintings: pd.DataFrame, attributor: Attributor
):
    paths = paintings["path"].tolist()[:40]
    opened = list(attributor.open_all(paths, whole=False))
    together = attributor.attribute_all(opened)
    for path, answer in zip(paths[::13], together[::13], strict=True):
        alone = attributor.attribute(attributor.open(Path(path).read_bytes()))
        assert answer.artist == alone.artist
        assert answer.probability == pytest.approx(alone.probability, abs=1e-5)
