"""From a folder with all that real folders hold to datasets, through the command line."""

import csv
import io
import itertools
import json
import os
import shutil
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from pipeline.atelier import defects
from pipeline.dataset.contract import SPLITS
from pipeline.dataset.dataset import Dataset
from pipeline.pictures.limits import DEFAULT_MAX_PIXELS
from pipeline.plan.order import Records, fingerprints
from pipeline.verify import main as verify_command
from pipeline.verify import verify
from tests.end_to_end import builds
from tests.end_to_end.conftest import ALLOW, SCHEMES
from trainer.data.parse import parse_batch


class Placed(NamedTuple):
    """A row of the table of paintings."""

    painting_id: str
    label: int
    split: str


CROPS, RESHAPED = "crop64x4/1.0.0", "reshape48/1.0.0"


@pytest.fixture(scope="module")
def paintings(built):
    return {row["path"]: row for row in Dataset.open(built / CROPS).planned()}


@pytest.fixture(scope="module")
def rejects(built):
    text = (built / CROPS / "rejects.csv").read_text()
    return {row["path"]: row for row in csv.DictReader(io.StringIO(text))}


@pytest.mark.parametrize("name", defects.DEFECTS)
def test_each_defect_of_a_real_folder_is_dealt_with(name, gallery, paintings, rejects):
    defect = defects.DEFECTS[name]
    path, of = str(gallery / defect.path), str(gallery / defect.of)
    if name == "unreadable" and os.geteuid() == 0:
        pytest.skip("root may read every file")
    if defect.outcome == "reject":
        assert path in rejects
        assert path not in paintings
        assert not defect.reason or rejects[path]["reason"] == defect.reason
    elif defect.outcome == "accept":
        assert paintings[path]["artist"] == defect.artist
        assert paintings[path]["records"] == 4
    elif defect.outcome == "copy":
        kept = {path, of} & paintings.keys()
        assert len(kept) == 1
        (kept_path,) = kept
        assert {path, of} - kept <= set(paintings[kept_path]["copies"])
    elif defect.outcome == "near":
        assert paintings[path]["split"] == paintings[of]["split"]
        assert paintings[path]["group"] == paintings[of]["group"]
    elif defect.outcome == "conflict":
        assert {rejects[path]["reason"], rejects[of]["reason"]} == {"same picture under two artists"}
        assert not {path, of} & paintings.keys()
    else:
        assert path not in paintings
        assert path not in rejects


@pytest.mark.parametrize("dataset", [CROPS, RESHAPED])
def test_verify_finds_a_built_dataset_sound(built, dataset):
    assert list(verify(Dataset.open(built / dataset))) == []


def test_a_dataset_of_the_format_before_is_sound_and_no_build_resumes_it(gallery, built, tmp_path):
    shutil.copytree(built / CROPS, tmp_path / CROPS)
    contract = replace(Dataset.open(tmp_path / CROPS).contract, format=1)
    works = {split: list(Dataset.open(built / CROPS).planned("painting_id", "label", "split")) for split in SPLITS}
    placed = {split: [Placed(**row) for row in rows if row["split"] == split] for split, rows in works.items()}
    shards = {split: len(some) for split, some in contract.splits.items()}
    records = Records(contract.scheme, contract.encoding, contract.seed, contract.labels, shards, format=1)
    (fingerprint,) = fingerprints([records], placed)
    (tmp_path / CROPS / "morelli.json").write_text(replace(contract, fingerprint=fingerprint).to_json())
    assert list(verify(Dataset.open(tmp_path / CROPS))) == []
    plan = tmp_path / CROPS / ".build" / "plan.json"
    plan.write_text(plan.read_text().replace('"format": 2', '"format": 1'))
    failed = builds.run(gallery, tmp_path, *SCHEMES, ALLOW)
    assert failed.returncode == 1
    assert "its format was 1, now 2" in failed.stderr


def test_the_summary_says_what_was_built_and_what_to_do_next(built):
    printed = (built / "printed.txt").read_text()
    for part in ("Étienne Vaudoré", "rejects: ", "1 truncated", "shards", "paintings/s", "peak memory", "trainer.main"):
        assert part in printed


@pytest.mark.parametrize("dataset", [CROPS, RESHAPED])
def test_a_dataset_says_how_large_its_pictures_could_be(built, dataset):
    assert Dataset.open(built / dataset).contract.build["max_pixels"] == DEFAULT_MAX_PIXELS


@pytest.mark.parametrize("dataset", [CROPS, RESHAPED])
def test_tfds_reads_a_dataset_with_names_and_sub_splits(built, dataset):
    import tensorflow_datasets as tfds

    contract = Dataset.open(built / dataset).contract
    builder = tfds.builder_from_directory(str(built / dataset))
    assert tuple(builder.info.features["label"].names) == contract.labels
    for split in SPLITS:
        assert builder.info.splits[split].num_examples == contract.records(split)
    data = tfds.load(dataset.partition("/")[0], data_dir=str(built), split="train[25%:75%]")
    examples = list(data.as_numpy_iterator())
    assert len(examples) == len(data)
    assert abs(len(examples) - contract.records("train") / 2) <= 1
    size = contract.scheme.size
    assert all(example["image"].shape == (size, size, 3) for example in examples)
    labels = {row["painting_id"]: row["label"] for row in Dataset.open(built / dataset).planned()}
    assert all(labels[example["painting_id"].decode()] == example["label"] for example in examples)


def pictures(dataset) -> dict[tuple[bytes, int], np.ndarray]:
    """(painting id, crop index) -> pixels of the test split, through parse_batch."""
    import tensorflow as tf

    contract = Dataset.open(dataset).contract
    paths = [str(dataset / shard.filename) for shard in contract.splits["test"]]
    parsed = parse_batch(next(iter(tf.data.TFRecordDataset(paths).batch(1000))).numpy(), contract)
    keys = zip(parsed["painting_id"], parsed["crop_index"], strict=True)
    return dict(zip(keys, parsed["image"], strict=True))


def test_other_encodings_hold_the_same_pictures_and_overwrite_replaces_one_by_another(gallery, built, tmp_path):
    one_scheme = ("--crop=64", "--samples=4", ALLOW)
    raw = pictures(built / CROPS)
    builds.build(gallery, tmp_path, *one_scheme, "--encoding=png", "--shard_mib=0.1")
    many = builds.shards(tmp_path / CROPS)
    ours, theirs = pictures(tmp_path / CROPS), pictures_of_tfds(tmp_path / CROPS)
    assert ours.keys() == raw.keys() == theirs.keys()
    assert all((theirs[key] == image).all() and (raw[key] == image).all() for key, image in ours.items())

    builds.build(gallery, tmp_path, *one_scheme, "--encoding=jpeg", "--overwrite")
    assert len(builds.shards(tmp_path / CROPS)) < len(many)
    assert list(verify(Dataset.open(tmp_path / CROPS))) == []
    ours, theirs = pictures(tmp_path / CROPS), pictures_of_tfds(tmp_path / CROPS)
    assert ours.keys() == raw.keys() == theirs.keys()
    for key, image in ours.items():  # TensorFlow's decoder is the faster and less exact one of libjpeg's two
        assert np.abs(image.astype(int) - theirs[key]).mean() < 4
        assert np.abs(image.astype(int) - raw[key]).mean() < 4


def pictures_of_tfds(dataset: Path) -> dict[tuple[bytes, int], np.ndarray]:
    import tensorflow_datasets as tfds

    examples = tfds.builder_from_directory(str(dataset)).as_dataset("test").as_numpy_iterator()
    return {(example["painting_id"], example["crop_index"]): example["image"] for example in examples}


def test_one_worker_gives_the_same_bytes_as_two_and_a_second_build_beside_it_is_refused(gallery, built, tmp_path):
    command = builds.command(gallery, tmp_path, *SCHEMES, ALLOW, "--workers=1")
    with subprocess.Popen(command, cwd=builds.ROOT, stderr=subprocess.PIPE) as first:
        deadline = time.monotonic() + 60
        while not (tmp_path / ".lock").exists() or not (tmp_path / ".lock").read_text():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.kill(first.pid, signal.SIGSTOP)  # so that the second comes in time, however busy the machine
        try:
            second = builds.run(gallery, tmp_path, *SCHEMES, ALLOW)
        finally:
            os.kill(first.pid, signal.SIGCONT)
        first.communicate(timeout=300)
    assert second.returncode == 1
    assert f"Another build is writing into {tmp_path} (process {first.pid})" in second.stderr
    assert first.returncode == 0
    for dataset in (CROPS, RESHAPED):
        assert builds.contents(tmp_path / dataset) == builds.contents(built / dataset)


def test_a_second_build_has_nothing_to_do_and_changes_nothing(gallery, built):
    before = builds.contents(built / CROPS)
    assert "are written already" in builds.build(gallery, built, *SCHEMES, ALLOW)
    assert builds.contents(built / CROPS) == before


def test_another_build_in_the_folder_is_refused_with_what_differs(gallery, built):
    before = builds.contents(built / CROPS)
    done = builds.run(gallery, built, *SCHEMES, ALLOW, "--seed=9")
    assert done.returncode == 1
    assert "seed was 0, now 9" in done.stderr
    assert "--overwrite" in done.stderr
    assert builds.contents(built / CROPS) == before


def test_too_many_rejects_stop_the_build_and_are_listed(gallery, tmp_path):
    done = builds.run(gallery, tmp_path, *SCHEMES, "--max_rejects=1%")
    assert done.returncode == 1
    assert "cannot be used" in done.stderr
    assert "--max_rejects" in done.stderr
    (listed,) = tmp_path.glob(".survey/*/rejects.csv")
    assert str(listed) in done.stderr
    assert "truncated" in listed.read_text()
    assert not (tmp_path / "crop64x4").exists()


def test_a_dry_run_writes_no_dataset(gallery, paintings, tmp_path):
    printed = builds.build(gallery, tmp_path, *SCHEMES, ALLOW, "--dry_run")
    assert "would write" in printed
    assert f"{4 * len(paintings)} records" in printed
    assert not (tmp_path / "crop64x4").exists()


def test_flags_neither_of_ours_nor_of_beam_are_refused_with_the_nearest(tmp_path):
    done = builds.run(None, tmp_path, "--crop=64", "--samples=4", "--temp_locatoin=gs://b")
    assert done.returncode == 2
    assert "did you mean --temp_location?" in done.stderr


def test_a_manifest_names_paintings_and_artists(gallery, tmp_path):
    source = next((gallery / "images" / "images").glob("Dexter_Poole/*_1.jpg"))
    others = sorted((gallery / "images" / "images").glob("Jost*/*_[123].jpg"))
    lines = ["path,artist", f"{source},Somebody", *(f"{path},Somebody Else" for path in others), "missing.jpg,Nobody"]
    (tmp_path / "list.csv").write_text("\n".join(lines))
    builds.build(None, tmp_path, f"--manifest={tmp_path / 'list.csv'}", "--reshape=48", "--max_rejects=0.5")
    assert not (tmp_path / "gallery").exists()
    contract = Dataset.open(tmp_path / RESHAPED).contract
    assert contract.labels == ("Somebody", "Somebody Else")
    assert "missing.jpg" in (tmp_path / RESHAPED / "rejects.csv").read_text()


def test_files_that_all_stand_under_two_artists_are_a_sentence(gallery, tmp_path):
    for artist in ("A", "B"):
        shutil.copytree(gallery / "images" / "images" / "Dexter_Poole", tmp_path / "art" / artist)
    done = builds.run(tmp_path / "art", tmp_path / "out", "--reshape=48")
    assert done.returncode == 1
    assert "No painting is left to build from" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out" / "reshape48").exists()


def test_a_split_without_a_share_is_empty_and_sound_and_a_refused_build_leaves_all_as_it_is(gallery, tmp_path):
    import tensorflow_datasets as tfds

    one_scheme = ("--reshape=48", ALLOW, "--splits=100/0/0")
    builds.build(gallery, tmp_path, *one_scheme)
    assert list(verify(Dataset.open(tmp_path / RESHAPED))) == []
    contract = Dataset.open(tmp_path / RESHAPED).contract
    assert [contract.records(split) > 0 for split in SPLITS] == [True, False, False]
    builder = tfds.builder_from_directory(str(tmp_path / RESHAPED))
    assert {name: split.num_examples for name, split in builder.info.splits.items()} == {
        "train": contract.records("train")
    }

    before = builds.contents(tmp_path / RESHAPED)
    (tmp_path / CROPS).mkdir(parents=True)
    (tmp_path / CROPS / "thesis.txt").write_text("mine")
    done = builds.run(gallery, tmp_path, *one_scheme, "--crop=64", "--samples=4", "--seed=9", "--overwrite")
    assert done.returncode == 1
    assert "not empty" in done.stderr
    assert (tmp_path / CROPS / "thesis.txt").read_text() == "mine"
    assert builds.contents(tmp_path / RESHAPED) == before


@pytest.mark.parametrize("table", ["paintings.parquet", "dataset_info.json", "label.labels.txt", "morelli.json"])
@pytest.mark.parametrize("fault", ["gone", "garbage"])
def test_verify_says_which_of_the_tables_beside_the_shards_is_wrong(built, tmp_path, capsys, table, fault):
    shutil.copytree(built / CROPS, tmp_path / CROPS)
    (tmp_path / CROPS / table).unlink() if fault == "gone" else (tmp_path / CROPS / table).write_bytes(b"\xff garbage")
    assert verify_command([str(tmp_path / CROPS)]) == 1
    assert table in "".join(capsys.readouterr())


@pytest.fixture(scope="module")
def real():
    """The folder of real paintings that PAINTINGS_DIR names."""
    root = os.environ.get("PAINTINGS_DIR")
    if not root:
        pytest.skip("PAINTINGS_DIR names no real paintings")
    return Path(root)


def test_kaggles_own_files_are_built_from_and_absent_artists_named(real, tmp_path):
    printed = builds.build(real / "kaggle_subset", tmp_path, "--crop=64", "--samples=4")
    assert "No images were found of 49 of the 50 artists" in printed
    assert "Only one artist, Titian" in printed
    assert list(verify(Dataset.open(tmp_path / CROPS))) == []


def test_real_paintings_by_several_hands_are_built_from(real, tmp_path):
    lines = ["path,artist"]
    for folder in sorted((real / "masters" / "images" / "images").iterdir()):
        lines += [f"{path},{folder.name}" for path in sorted(folder.iterdir())[:4]]
    (tmp_path / "list.csv").write_text("\n".join(lines))
    builds.build(real / "masters", tmp_path, f"--manifest={tmp_path / 'list.csv'}", "--crop=64", "--samples=4")
    contract = Dataset.open(tmp_path / CROPS).contract
    assert len(contract.labels) == 9
    assert list(verify(Dataset.open(tmp_path / CROPS))) == []
    table = list(Dataset.open(tmp_path / CROPS).planned())
    assert {(row["label"], row["split"]) for row in table} == set(itertools.product(range(9), SPLITS))


def test_what_the_dataset_says_of_itself_is_true(built):
    contract = json.loads((built / CROPS / "morelli.json").read_text())
    assert contract["value_range"] == [0, 255]
    assert {artist["name"] for artist in contract["artists"]} >= {"Ulrich Dürrholz", "Tomás de la Peña y Rubio"}
    mangled = next(artist for artist in contract["artists"] if artist["name"] == "Ulrich Dürrholz")
    assert (mangled["years"], mangled["genre"], mangled["nationality"]) == (
        "1471 - 1528",
        "Northern Renaissance",
        "German",
    )
