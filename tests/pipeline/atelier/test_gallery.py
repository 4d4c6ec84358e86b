"""The embedded gallery: who painted what, the same bytes every time, and files that are there whole or not at all."""

import csv
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from pipeline.atelier import defects, painters
from pipeline.atelier.__main__ import main
from pipeline.atelier.gallery import DEFAULT, MARKER, counts, folder_name, jpeg, relative_path, write_gallery
from pipeline.errors import InputError, StorageError
from pipeline.gallery import names
from pipeline.pictures.decode import decode
from pipeline.pictures.fault import ImageError
from pipeline.storage import files
from pipeline.storage.lock import LOCK_FILE
from tests import galleries

FEW = 3 * len(painters.PAINTERS)


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != LOCK_FILE  # which says who paints, and is no part of the gallery
    }


@pytest.fixture(scope="module")
def gallery(painted, tmp_path_factory):
    """Painted by two workers."""
    folder = tmp_path_factory.mktemp("gallery") / "new"
    galleries.write(folder, painted)
    return folder


@pytest.fixture(scope="module")
def odd_gallery(painted, tmp_path_factory):
    folder = tmp_path_factory.mktemp("odd")
    galleries.write(folder, painted, defects=True)
    return folder


# --- Who paints how much ---------------------------------------------------------------------------------------------


@given(st.integers(FEW, 5000))
def test_counts_sum_up_and_fall_and_leave_three_for_each(paintings):
    each = list(counts(paintings).values())
    assert sum(each) == paintings
    assert min(each) >= 3
    assert each == sorted(each, reverse=True)


@given(st.integers(DEFAULT, 5000))
def test_the_largest_class_is_at_least_ten_times_the_smallest(paintings):
    each = counts(paintings).values()
    assert max(each) >= 10 * min(each)


def test_too_few_paintings_are_refused():
    with pytest.raises(InputError, match=f"at least {FEW}"):
        counts(FEW - 1)


def test_names_survive_the_way_through_folders_and_are_told_apart():
    repaired = [names.repair(folder_name(painter.name)) for painter in painters.PAINTERS]
    assert repaired == [painter.name for painter in painters.PAINTERS]
    assert len(set(map(names.fold, repaired))) == len(repaired) >= 10


def test_no_palette_names_its_painter():
    owners = {}
    for painter in painters.PAINTERS:
        for palette in painter.palettes:
            owners.setdefault(palette, set()).add(painter.name)
    assert min(map(len, owners.values())) >= 3


# --- Pictures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("painter", range(len(painters.PAINTERS)), ids=[p.name for p in painters.PAINTERS])
def test_a_painting_is_a_function_of_seed_painter_and_index(painter, gallery):
    first = (gallery / relative_path(painters.PAINTERS[painter].name, 3)).read_bytes()  # by a worker, after others
    assert jpeg(0, painter, 2) == first
    assert jpeg(8, painter, 2) != first
    with Image.open(io.BytesIO(first)) as image:
        assert image.mode == "RGB"
        assert all(200 <= side <= 1600 for side in image.size)
        assert np.asarray(image.convert("L")).std() > 4  # not a blank sheet


def test_hands_differ_more_in_texture_than_in_colour(gallery):
    """A painting's nearest other painting is more often by the same painter by texture than by colour."""
    rows, owners = {"texture": [], "colour": []}, []
    for painter, by in enumerate(painters.PAINTERS):
        for number in (1, 2, 3):
            picture = np.asarray(Image.open(gallery / relative_path(by.name, number)), np.float32)[:320, :320]
            gray = picture.mean(axis=-1)
            texture = []
            for _ in range(3):  # how much changes from pixel to pixel, across and down, and how unevenly, by octave
                across, down = np.abs(np.diff(gray, axis=1)), np.abs(np.diff(gray, axis=0))
                texture += [
                    np.log(x + 0.1) for edge in (across, down) for x in (edge.mean(), edge.std(), np.median(edge))
                ]
                even = gray[: gray.shape[0] // 2 * 2, : gray.shape[1] // 2 * 2]
                gray = (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4
            rows["texture"].append(texture)
            rows["colour"].append([*picture.mean(axis=(0, 1)), *picture.std(axis=(0, 1))])
            owners.append(painter)
    hits = {}
    for kind, values in rows.items():
        standard = (np.array(values) - np.mean(values, axis=0)) / np.std(values, axis=0)
        apart = np.linalg.norm(standard[:, None] - standard[None], axis=-1)
        np.fill_diagonal(apart, np.inf)
        hits[kind] = np.mean(np.array(owners)[apart.argmin(axis=1)] == owners)
    assert hits["texture"] > 0.5
    assert hits["colour"] < 0.6 * hits["texture"]


# --- Files -----------------------------------------------------------------------------------------------------------


def test_the_layout_is_kaggles(gallery):
    table = list(csv.DictReader((gallery / "artists.csv").read_text(encoding="utf-8").splitlines()))
    assert list(table[0]) == ["id", "name", "years", "genre", "nationality", "bio", "wikipedia", "paintings"]
    assert len(table) == len(painters.PAINTERS)
    for row in table:
        folder = gallery / "images" / "images" / row["name"].replace(" ", "_")
        expected = {f"{folder.name}_{number}.jpg" for number in range(1, int(row["paintings"]) + 1)}
        assert {path.name for path in folder.iterdir()} == expected


def test_one_worker_and_two_paint_the_same_bytes_and_only_what_is_missing(gallery, tmp_path):
    seen = []
    write_gallery(tmp_path, paintings=FEW, workers=1)
    assert hashes(tmp_path) == hashes(gallery)
    lost = tmp_path / relative_path(painters.PAINTERS[3].name, 2)
    lost.unlink()
    kept = tmp_path / relative_path(painters.PAINTERS[3].name, 1)
    kept.write_bytes(b"the user's own")
    write_gallery(tmp_path, paintings=FEW, on_progress=lambda done, total: seen.append((done, total)))
    assert seen == [(FEW, FEW)]
    assert lost.read_bytes() == (gallery / lost.relative_to(tmp_path)).read_bytes()
    assert kept.read_bytes() == b"the user's own"


@pytest.mark.parametrize("other", [{"seed": 1}, {"paintings": FEW + 1}, {"defects": True}])
def test_a_folder_with_another_gallery_is_refused_and_left_alone(gallery, other):
    before = hashes(gallery)
    with pytest.raises(InputError, match=next(iter(other))):
        write_gallery(gallery, **{"paintings": FEW, **other})
    assert hashes(gallery) == before


def test_a_folder_of_something_else_is_refused_and_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match=r"thesis\.txt"):
        write_gallery(tmp_path, paintings=FEW)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "gallery").write_text("a file")
    with pytest.raises(StorageError, match="Pass a folder of your own as --output"):
        write_gallery(tmp_path / "gallery", paintings=FEW)


def test_a_marker_cut_off_is_a_sentence(tmp_path):
    (tmp_path / MARKER).write_text('{"version"')
    with pytest.raises(InputError, match=MARKER):
        write_gallery(tmp_path, paintings=FEW)


def test_a_killed_run_leaves_no_half_file_and_no_process_and_goes_on(gallery, tmp_path):
    command = [sys.executable, "-m", "pipeline.atelier", f"--output={tmp_path / 'g'}", f"--paintings={FEW}"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    while process.poll() is None and len(list((tmp_path / "g").glob("images/images/*/*.jpg"))) < 2:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    finished = {
        name: digest for name, digest in hashes(tmp_path / "g").items() if files.TEMPORARY not in Path(name).name
    }
    assert finished.items() <= hashes(gallery).items()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=120)  # waits for the lock, if need be
    assert hashes(tmp_path / "g") == hashes(gallery)
    deadline = time.monotonic() + 60
    while lives_on(process.pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not lives_on(process.pid)  # the workers went with their parent


def lives_on(group: int) -> bool:
    """Whether a process of this group runs (a dead one that nobody has waited for does not)."""
    members = (psutil.Process(pid) for pid in psutil.pids() if _group(pid) == group)
    return any(member.is_running() and member.status() != psutil.STATUS_ZOMBIE for member in members)


def _group(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None


def test_the_command_says_what_it_wrote_and_why_it_refuses(painted, tmp_path, capsys):
    galleries.write(tmp_path, painted)
    assert main([f"--output={tmp_path}", f"--paintings={FEW}"]) == 0
    assert capsys.readouterr().out.startswith(f"{tmp_path}: {FEW} paintings by 12 painters (seed 0)")
    assert main([f"--output={tmp_path}", f"--paintings={FEW}", "--seed=4"]) == 1
    assert "seed is 0, not 4" in capsys.readouterr().err
    assert main([f"--output={tmp_path}", "--seed=-1"]) == 1
    assert "0 or more" in capsys.readouterr().err


# --- Defects ---------------------------------------------------------------------------------------------------------


def test_every_defect_is_there_and_a_second_run_changes_nothing(odd_gallery):
    for defect in defects.DEFECTS.values():
        assert os.path.lexists(odd_gallery / defect.path), defect.path
    before = hashes(odd_gallery)
    write_gallery(odd_gallery, paintings=FEW, defects=True)
    assert hashes(odd_gallery) == before
    assert json.loads((odd_gallery / MARKER).read_text())["defects"] is True


@pytest.mark.parametrize("name", [name for name, defect in defects.DEFECTS.items() if defect.reason])
def test_a_defect_fails_for_the_reason_it_states(odd_gallery, name):
    defect = defects.DEFECTS[name]
    with pytest.raises(ImageError) as caught:
        decode((odd_gallery / defect.path).read_bytes())
    assert caught.value.reason == defect.reason


@pytest.mark.parametrize("name", [name for name, d in defects.DEFECTS.items() if d.outcome in ("accept", "near")])
def test_what_is_to_be_accepted_can_be_decoded(odd_gallery, name):
    painting = decode((odd_gallery / defects.DEFECTS[name].path).read_bytes())
    assert painting.image.mode == "RGB"


def test_what_is_called_a_copy_is_one(odd_gallery):
    for defect in defects.DEFECTS.values():
        if defect.outcome in ("copy", "conflict"):
            assert (odd_gallery / defect.path).read_bytes() == (odd_gallery / defect.of).read_bytes()
        if defect.outcome == "near":
            assert (odd_gallery / defect.path).read_bytes() != (odd_gallery / defect.of).read_bytes()


def test_mangled_folders_are_repaired_to_the_artists_name():
    folders = {Path(defect.path).parent.name for name, defect in defects.DEFECTS.items() if name.startswith("mangled")}
    assert len(folders) == 2
    assert {names.repair(folder) for folder in folders} == {defects.MANGLED_ARTIST}
    assert defects.MANGLED_ARTIST.replace(" ", "_") not in folders


def test_the_ycck_file_holds_ycck_and_the_colours_of_its_cmyk_picture():
    picture = Image.new("RGB", (64, 64), (200, 60, 30))
    data = defects._ycck(picture)
    assert data[data.index(b"Adobe") + 11] == 2
    with Image.open(io.BytesIO(data)) as image:
        assert image.mode == "CMYK"
        wanted = np.asarray(picture.convert("CMYK"), int)
        assert np.abs(np.asarray(image, int) - wanted).max() <= 3


def test_the_profile_is_one_that_littlecms_reads_as_wider_than_srgb():
    profile = ImageCms.ImageCmsProfile(io.BytesIO(defects.wide_gamut_profile()))
    to_srgb = ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), "RGB", "RGB")
    green = ImageCms.applyTransform(Image.new("RGB", (1, 1), (90, 200, 90)), to_srgb).getpixel((0, 0))
    assert green[0] < 60  # the same numbers are a stronger green in the wide space
    gray = ImageCms.applyTransform(Image.new("RGB", (1, 1), (128, 128, 128)), to_srgb).getpixel((0, 0))
    assert np.ptp(gray) <= 2
