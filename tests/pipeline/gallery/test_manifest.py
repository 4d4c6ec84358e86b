"""A manifest names files as another machine, or another disk, has spelled them."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.gallery.manifest import read_manifest

PICTURE = "Dürer/Hare 1.jpg"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "art" / unicodedata.normalize("NFD", PICTURE)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"\xff\xd8\xff")
    return tmp_path / "art"


def read(root: Path, *rows: str, header: str = "path,artist"):
    manifest = root.parent / "manifest.csv"
    manifest.write_text("\n".join((header, *rows)) + "\n", encoding="utf-8")
    return read_manifest(str(manifest), str(root), str)


@pytest.mark.parametrize(
    "spelled",
    [
        unicodedata.normalize("NFD", PICTURE),
        unicodedata.normalize("NFC", PICTURE),
        PICTURE.replace("/", "\\"),
        PICTURE.upper(),
        f"art/{PICTURE}",
    ],
)
def test_a_file_is_found_however_it_is_spelled(root, spelled):
    named, rejects, _, gives_splits = read(root, f"{spelled},Albrecht Dürer")
    assert [(Path(one.path).name, one.artist, one.split) for one in named] == [("Hare 1.jpg", "Albrecht Dürer", "")]
    assert not rejects
    assert not gives_splits


def test_a_file_address_is_a_path(root):
    path = root / unicodedata.normalize("NFD", PICTURE)
    named, _, _, _ = read(root, f"{path.as_uri()},Dürer")
    assert [one.path for one in named] == [str(path)]


def test_a_split_column_is_kept(root):
    named, _, _, gives_splits = read(root, f"{PICTURE},Dürer,Val", header="path,artist,split")
    assert ([one.split for one in named], gives_splits) == (["validation"], True)


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ("a.jpg,Klee,somewhere", r"line 2: expected the split train, validation or test\. Received 'somewhere'"),
        ("a.jpg,Klee,", "Received 'nothing'"),
        (",Klee,train", "line 2: the path is empty"),
        ("ftp://museum.example/a.jpg,Klee,train", "ftp:// is no address"),
    ],
)
def test_a_row_that_cannot_be_understood_is_named(root, row, sentence):
    with pytest.raises(InputError, match=sentence):
        read(root, row, header="path,artist,split")


@pytest.mark.parametrize("path", ["gone.jpg", "C:\\art\\gone.jpg"])
def test_a_missing_file_is_a_reject(root, path):
    _, (reject,), _, _ = read(root, f"{path},Klee")
    assert (reject.artist, reject.reason) == ("Klee", "missing file")
