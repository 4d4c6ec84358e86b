"""What is a picture by its name, or by its first bytes."""

from __future__ import annotations

import pytest

from pipeline.gallery.kinds import (
    START,
    begins_as_picture,
    extension,
    has_picture_name,
    kind_of_other,
    needs_look,
    own_folders,
)
from tests.pipeline.pictures.scenes import saved, scene


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP", "AVIF", "JPEG2000"])
def test_every_format_that_is_read_begins_as_a_picture(form):
    assert begins_as_picture(saved(scene(), form)[:START])


@pytest.mark.parametrize("start", [b"", b"BMW's catalogue", b"%PDF-1.7", b"RIFF\0\0\0\0WAVE", b"PK\3\4", b"\0" * 16])
def test_other_files_do_not(start):
    assert not begins_as_picture(start)


@pytest.mark.parametrize(
    ("path", "ending", "named"),
    [("A/1.JPG", ".jpg", True), ("A/St. Jerome", "", False), ("a.jpg!Large", ".jpg!large", False),
     ("A/._1.jpg", ".jpg", False), ("A.B/c", "", False), ("x.tar.gz", ".gz", False)],
)  # fmt: skip
def test_an_extension_is_what_ends_a_name(path, ending, named):
    assert (extension(path), has_picture_name(path)) == (ending, named)


def sort_files(names, starts):
    """(pictures, name -> what it is of all others)."""
    own = own_folders(names)
    words = {name: kind_of_other(name, own, starts.get) for name in names}
    return [name for name, word in words.items() if word is None], {
        name: word for name, word in words.items() if word is not None
    }


def test_files_are_sorted_by_name_and_else_by_content():
    jpeg = saved(scene(), "JPEG")[:START]
    starts = {"A/St. Jerome": jpeg, "A/1.jpg!Large": jpeg, "A/readme.txt": b"Dear Sir", "A/LICENSE": b"Apache"}
    names = ["A/1.jpg", "A/.DS_Store", "A/2.jpg.part", *starts]
    assert [name for name in names if needs_look(name)] == list(starts)
    pictures, others = sort_files(names, starts)
    assert pictures == ["A/1.jpg", "A/St. Jerome", "A/1.jpg!Large"]
    assert others == {
        "A/.DS_Store": "hidden",
        "A/2.jpg.part": "half downloaded",
        "A/readme.txt": ".txt",
        "A/LICENSE": "",
    }


def test_what_this_project_has_written_is_no_painting():
    run = [f"runs/first/{name}" for name in ("flags.txt", "run.json", "learning_curves.png", "samples/1.png")]
    maps = [f"maps/painting-{number:08x}.png" for number in range(3)]
    pictures, others = sort_files([*run, *maps, "Monet/1.jpg", "Monet/cut-0badcafe.png"], {})
    assert pictures == ["Monet/1.jpg", "Monet/cut-0badcafe.png"]
    assert {others[path] for path in run} == {"of a run"}
    assert {others[path] for path in maps} == {"maps"}
