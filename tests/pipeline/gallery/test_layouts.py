"""A folder's layout is guessed from paths alone, and doubted."""

from __future__ import annotations

import pytest

from pipeline.errors import InputError
from pipeline.gallery.layouts import LAYOUTS, read_layout, split_of_name


def below(*folders: str, each: int = 4) -> list[str]:
    return [f"{folder}/{number}.jpg" for folder in folders for number in range(each)]


MONET, KLEE = "Claude Monet", "Paul Klee"


@pytest.mark.parametrize(
    ("paths", "layout", "prefix"),
    [
        (below(MONET, KLEE), "folders", ""),
        (below(f"images/images/{MONET}", f"images/images/{KLEE}"), "kaggle", "images/images/"),
        (below(f"images/{MONET}", f"images/{KLEE}"), "kaggle", "images/"),
        (["Monet_1.jpg", "Klee_2.jpg"], "flat", ""),
        (["resized/resized/Monet_1.jpg", "resized/resized/Klee_2.jpg"], "flat", "resized/resized/"),
        (below(f"train/{MONET}", f"train/{KLEE}", f"test/{MONET}", f"test/{KLEE}"), "nested", ""),
        (below(f"drawings/{MONET}", f"paintings/{MONET}", f"paintings/{KLEE}"), "nested", ""),
        ([*below(MONET, KLEE), *below("images", each=1), *below("resized", each=2)], "folders", ""),
    ],
)
def test_a_layout_is_known_by_its_paths(paths, layout, prefix):
    reading = read_layout(paths, "art")
    assert (reading.layout, reading.prefix) == (layout, prefix)


@pytest.mark.parametrize(("path", "artist", "split"), [
    (f"Training_set/{MONET}/1.jpg", MONET, "train"),
    (f"val/{KLEE}/deep/1.jpg", KLEE, "validation"),
    (f"drawings/{KLEE}/1.jpg", KLEE, ""),
    ("train/1.jpg", "", "train"),
])  # fmt: skip
def test_nested_folders_give_artist_and_split(path, artist, split):
    reading = read_layout(below("train/A", "test/A"), "art", "nested")
    assert (reading.artist_of(path), reading.split_of(path)) == (artist, split)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_that_is_asked_for_is_not_doubted(layout):
    reading = read_layout([*below("train", "test"), "images/a/1.jpg"], "art", layout)
    assert (reading.layout, reading.notes) == (layout, ())


@pytest.mark.parametrize("folders", [("train", "test"), ("drawings", "paintings"), ("val",)])
def test_splits_and_sorts_without_artists_below_are_refused_with_the_flags(folders):
    with pytest.raises(InputError, match=r"not like artists.*--layout=nested.*--layout=folders.*--manifest"):
        read_layout(below(*folders), "art")


def test_splits_above_artists_are_noted_with_the_flag_that_keeps_them():
    (note,) = read_layout(below("train/A", "train/B", "test/A"), "art").notes
    assert "were taken for splits" in note
    assert "--splits=given" in note
    assert "--layout=folders" in note


@pytest.mark.parametrize("odd", ["maps", "images", "resized"])
def test_an_odd_folder_among_artists_is_noted(odd):
    (note,) = read_layout(below(MONET, KLEE, odd), "art").notes
    assert note.startswith(f"{odd} in art looks like no artist, and was taken for one")


@pytest.mark.parametrize("name", ["Starry Night {0}_{1}.jpg", "Monet - Sunrise {0}_{0}.jpg"])
def test_titles_with_years_or_dashes_are_no_artists(name):
    with pytest.raises(InputError, match="look like titles"):
        read_layout([name.format(number, 1880 + number) for number in range(9)], "art")


def test_many_artists_of_one_picture_each_are_doubted_and_few_are_not():
    assert "are they titles" in read_layout(below(*"abcd", each=1), "art").notes[0]
    assert read_layout(below(*"abc", each=1), "art").notes == ()


@pytest.mark.parametrize(
    ("name", "split"),
    [("train", "train"), ("Training", "train"), ("test_images", "test"), ("Validation set", "validation"),
     ("held-out", "test"), ("Titian", ""), ("", "")],
)  # fmt: skip
def test_names_of_splits(name, split):
    assert split_of_name(name) == split
