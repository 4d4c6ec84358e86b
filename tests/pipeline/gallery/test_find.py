import os
import socket
import tracemalloc

import pytest

from pipeline.dataset.contract import Artist
from pipeline.errors import InputError
from pipeline.gallery import listing
from pipeline.gallery.find import Gallery, find_gallery
from tests.remote import put as put_objects

TABLE = (
    "id,name,years,genre,nationality\n0,Albrecht Dürer,1471 - 1528,Northern Renaissance,German\n1,Titian,,,Italian\n"
)


JPEG = b"\xff\xd8\xff\xe0"  # as every JPEG begins


def put(root, *paths, content=None):
    """Writes files: with the first bytes of a JPEG, or with a text where a name is that of other files."""
    for path in paths:
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        other = target.suffix in (".txt", ".db", ".zip", ".json") or target.name.startswith(".")
        target.write_bytes((b"text" if other else JPEG) if content is None else content)
    return root


def whose(found: Gallery) -> dict[str, str]:
    return {candidate.path.removeprefix(found.root + "/"): candidate.artist for candidate in found.candidates}


def reasons(found: Gallery) -> dict[str, str]:
    return {reject.path.removeprefix(found.root + "/"): reject.reason for reject in found.rejects}


# --- Layouts ---------------------------------------------------------------------------------------------------------


def test_datasets_built_into_a_gallery_are_no_artists_of_it(tmp_path):
    put(tmp_path, "Titian/1.jpg", "Raphael/1.jpg", "sets/crop64x16/1.0.0/crop64x16-train.tfrecord-00000-of-00001")
    put(tmp_path, "reshape256/1.0.0/morelli.json", "reshape256/1.0.0/reshape256-test.tfrecord-00000-of-00001")
    found = find_gallery(str(tmp_path))
    assert [artist.name for artist in found.artists] == ["Raphael", "Titian"]
    assert found.notes == ("Files that are no pictures by their names were left out: of a dataset 3.",)
    with pytest.raises(InputError, match="holds no pictures, only other files: of a dataset"):
        find_gallery(str(tmp_path / "sets"))


@pytest.mark.parametrize("base", ["images/images", "images"])
def test_kaggles_layout_is_known(tmp_path, base):
    put(tmp_path, f"{base}/Titian/Titian_1.jpg", f"{base}/Piet_Mondrian/Piet_Mondrian_2.jpg")
    found = find_gallery(str(tmp_path))
    assert found.layout == "kaggle"
    assert whose(found) == {
        f"{base}/Piet_Mondrian/Piet_Mondrian_2.jpg": "Piet Mondrian",
        f"{base}/Titian/Titian_1.jpg": "Titian",
    }
    assert found.artists == (Artist("Piet Mondrian"), Artist("Titian"))


def test_the_mangled_folders_of_one_artist_are_one_artist(tmp_path):
    put(tmp_path, "images/images/Albrecht_Du╠êrer/1.jpg", "images/images/Albrecht_DuΓòá├¬rer/1.jpg")
    put(tmp_path, "images/images/Titian/1.jpg")
    put(tmp_path, "artists.csv", content=TABLE.encode())
    found = find_gallery(str(tmp_path))
    assert [artist.name for artist in found.artists] == ["Albrecht Dürer", "Titian"]
    assert found.artists[0].genre == "Northern Renaissance"
    assert len(found.candidates) == 3
    assert found.notes == ()


def test_resized_copies_are_left_out_beside_the_originals(tmp_path):
    put(tmp_path, "images/images/Titian/Titian_1.jpg", "images/images/Raphael/Raphael_1.jpg")
    put(tmp_path, "resized/resized/Titian_1.jpg", "resized/resized/Raphael_1.jpg", "poster.png")
    put(tmp_path, "LICENSE", content=b"Permission is granted")
    found = find_gallery(str(tmp_path))
    assert set(whose(found).values()) == {"Titian", "Raphael"}
    assert len(found.candidates) == 2
    assert found.notes == (
        "resized/ was left out: its 2 files are copies of the paintings in images/.",
        "Pictures outside images/ were left out: 1.",
        "Files that are no pictures by their names were left out: without an extension 1.",
    )


@pytest.mark.parametrize("base", ["resized/resized/", "resized/", ""])
def test_a_flat_folder_alone_names_its_artists(tmp_path, base):
    put(
        tmp_path, f"{base}Piet_Mondrian_7.jpg", f"{base}Albrecht_Du╠êrer_12.jpg", f"{base}Henri_4_3.png", f"{base}x.jpg"
    )
    found = find_gallery(str(tmp_path))
    assert found.layout == "flat"
    assert whose(found) == {
        f"{base}Albrecht_Du╠êrer_12.jpg": "Albrecht Dürer",
        f"{base}Henri_4_3.png": "Henri 4",
        f"{base}Piet_Mondrian_7.jpg": "Piet Mondrian",
    }
    assert reasons(found) == {f"{base}x.jpg": "no artist"}


def test_a_folder_per_artist_holds_all_below_it(tmp_path):
    put(tmp_path, "Titian/a.jpg", "Titian/early/deep/b.PNG", "Raphael/c", "Raphael/St. Jerome", "stray.jpg")
    put(tmp_path, "README", "Titian/LICENSE", content=b"Permission is granted")
    found = find_gallery(str(tmp_path))
    assert found.layout == "folders"
    assert whose(found) == {
        "Raphael/St. Jerome": "Raphael",
        "Raphael/c": "Raphael",
        "Titian/a.jpg": "Titian",
        "Titian/early/deep/b.PNG": "Titian",
    }
    assert reasons(found) == {"stray.jpg": "no artist"}


def test_candidates_carry_size_and_time_and_are_sorted(tmp_path):
    put(tmp_path, "B/2.jpg", "B/10.jpg", "A/1.jpg", content=b"12345")
    os.utime(tmp_path / "A/1.jpg", (1_000, 2_000))
    found = find_gallery(str(tmp_path))
    assert (found.candidates[0].path, found.candidates[0].artist) == (f"{tmp_path}/A/1.jpg", "A")
    assert (found.candidates[0].bytes, found.candidates[0].modified) == (5, 2_000.0)
    assert found.candidates[0].changed == (tmp_path / "A/1.jpg").stat().st_ctime
    assert [candidate.path for candidate in found.candidates] == sorted(
        candidate.path for candidate in found.candidates
    )


def test_a_folder_may_be_relative(tmp_path, monkeypatch):
    put(tmp_path, "paintings/A/1.jpg", "paintings/B/1.jpg")
    monkeypatch.chdir(tmp_path)
    assert find_gallery("paintings/").root == f"{tmp_path}/paintings"


# --- What counts -----------------------------------------------------------------------------------------------------


def test_files_that_are_no_pictures_are_left_out_and_counted(tmp_path):
    put(tmp_path, "A/1.jpg", "B/1.heic", "A/notes.txt", "A/Thumbs.db", "B/.DS_Store", "B/._1.jpg", "B/2.txt")
    put(tmp_path, "__MACOSX/A/1.jpg", ".git/x.jpg", "A/.cache/2.jpg")
    found = find_gallery(str(tmp_path))
    assert sorted(whose(found)) == ["A/1.jpg", "B/1.heic"]
    assert found.notes == ("Files that are no pictures by their names were left out: .txt 2, hidden 2, .db 1.",)


def test_links_are_followed_but_not_in_circles(tmp_path):
    elsewhere = put(tmp_path / "elsewhere", "a.jpg", "more/b.jpg")
    root = put(tmp_path / "root", "A/1.jpg", "B/1.jpg")
    (root / "C").symlink_to(elsewhere)
    (root / "A/2.jpg").symlink_to(elsewhere / "a.jpg")
    (root / "A/up").symlink_to(root)
    (root / "A/self.jpg").symlink_to("self.jpg")
    (root / "A/gone.jpg").symlink_to("nowhere.jpg")
    (root / "B/gone.txt").symlink_to("nowhere.txt")
    found = find_gallery(str(root))
    assert whose(found) == {
        "A/1.jpg": "A",
        "A/2.jpg": "A",
        "B/1.jpg": "B",
        "C/a.jpg": "C",
        "C/more/b.jpg": "C",
    }
    assert reasons(found) == {
        "A/gone.jpg": listing.BROKEN_LINK,
        "A/self.jpg": listing.LINK_LOOP,
        "A/up": listing.LINK_LOOP,
    }
    assert {reject.artist for reject in found.rejects} == {"A"}
    assert "nowhere.jpg" in found.rejects[0].detail


def test_pipes_and_sockets_are_rejected_not_opened(tmp_path):
    put(tmp_path, "A/1.jpg", "B/1.jpg")
    os.mkfifo(tmp_path / "A/pipe.jpg")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(tmp_path / "B/socket.jpg"))
        found = find_gallery(str(tmp_path))
    assert reasons(found) == {"A/pipe.jpg": listing.NOT_REGULAR, "B/socket.jpg": listing.NOT_REGULAR}


def test_a_folder_that_cannot_be_listed_is_a_reject(tmp_path, monkeypatch):
    put(tmp_path, "A/1.jpg", "B/1.jpg", "B/locked.d/2.jpg")
    scandir = os.scandir

    def refusing(path):  # permissions do not stop root, who may run the tests
        if str(path).endswith("locked.d"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    found = find_gallery(str(tmp_path))
    assert reasons(found) == {"B/locked.d": listing.UNREADABLE}
    assert found.rejects[0].artist == "B"
    assert found.rejects[0].detail == "the folder cannot be listed: Permission denied"


def test_a_name_that_is_not_unicode_is_a_reject_that_can_be_written_down(tmp_path):
    put(tmp_path, "A/1.jpg", "B/1.jpg")
    with open(os.fsencode(tmp_path) + b"/A/D\xfcrer.jpg", "wb"):
        pass
    found = find_gallery(str(tmp_path))
    assert reasons(found) == {r"A/D\xfcrer.jpg": listing.BAD_NAME}
    found.rejects[0].path.encode()


# --- What a user is told ---------------------------------------------------------------------------------------------


def table_of(names) -> bytes:
    return ("name\n" + "\n".join(names)).encode()


def test_artists_without_images_are_named(tmp_path):
    put(tmp_path, "Titian/1.jpg", "Raphael/1.jpg")
    put(tmp_path, "artists.csv", content=table_of(["Titian", "Giotto", "Raphael", "Jackson Pollock"]))
    assert find_gallery(str(tmp_path)).notes == (
        "No images were found of some artists in artists.csv: Giotto and Jackson Pollock.",
    )


def test_when_nearly_all_artists_lack_images_they_are_counted(tmp_path):
    put(tmp_path, "Artist_07/1.jpg")
    put(tmp_path, "artists.csv", content=table_of(f"Artist {number:02}" for number in range(50)))
    assert find_gallery(str(tmp_path)).notes == (
        "Only one artist, Artist 07, has images here: a classifier needs at least two.",
        "No images were found of 49 of the 50 artists in artists.csv: Artist 00, Artist 01, Artist 02, Artist 03, "
        "Artist 04, Artist 05, Artist 06, Artist 08, Artist 09, Artist 10 and 39 more.",
    )


def test_names_that_match_nothing_are_kept_and_named(tmp_path):
    put(tmp_path, "TITIAN/1.jpg", "Unknown_Master/1.jpg")
    put(tmp_path, "artists.csv", content=TABLE.encode())
    found = find_gallery(str(tmp_path))
    assert found.artists == (Artist("Titian", nationality="Italian"), Artist("Unknown Master"))
    assert set(whose(found).values()) == {"Titian", "Unknown Master"}
    assert found.notes == (
        "No images were found of some artists in artists.csv: Albrecht Dürer.",
        "Not in artists.csv, kept without years, genre and nationality: Unknown Master.",
    )


def test_two_spellings_are_pointed_out(tmp_path):
    put(tmp_path, "Joan Miro/1.jpg", "Joan_Miró/1.jpg")
    assert find_gallery(str(tmp_path)).notes == (
        "Joan Miro and Joan Miró are kept apart though they may be one artist; give them one spelling if they are.",
    )


def test_a_gallery_one_folder_too_high_is_pointed_out(tmp_path):
    put(tmp_path, "archive/images/images/Titian/1.jpg", "archive/images/images/Raphael/1.jpg")
    assert find_gallery(str(tmp_path)).notes == (
        f"The folders in {tmp_path} were taken for artists, but archive is laid out as Kaggle's set is; "
        f"to build from it pass --data_dir={tmp_path}/archive.",
        "Only one artist, archive, has images here: a classifier needs at least two.",
    )


@pytest.mark.parametrize(
    ("paths", "sentence"),
    [
        ([], r"is empty\. Expected a folder per artist"),
        (["notes.txt", "A/more.txt"], r"holds no pictures, only other files: \.txt 2\. Expected"),
        (["archive.zip"], r"only other files: \.zip 1\. Unpack the archive first\."),
        (["one.jpg", "two.jpg"], r"None of the pictures of .* can be used: no artist 2 \(the first is .*one\.jpg: "),
        (["images/one.jpg"], r"can be used: no artist 1 \(the first is .*: its name is not like Artist_12.jpg\)"),
    ],
)
def test_nothing_to_build_from_is_said(tmp_path, paths, sentence):
    put(tmp_path, *paths)
    with pytest.raises(InputError, match=sentence):
        find_gallery(str(tmp_path))


def test_a_folder_of_broken_links_alone_is_said(tmp_path):
    put(tmp_path, "A/notes.txt")
    (tmp_path / "A/1.jpg").symlink_to("nowhere")
    with pytest.raises(InputError, match=r"can be used: broken link 1 \(the first is .*A/1\.jpg: it leads to nowhere"):
        find_gallery(str(tmp_path))


def test_a_missing_folder_and_a_file_are_said(tmp_path):
    with pytest.raises(InputError, match=r"There is no folder .*/absent\. Pass the folder .* as --data_dir"):
        find_gallery(str(tmp_path / "absent"))
    put(tmp_path, "table.csv")
    with pytest.raises(InputError, match=r"table\.csv is not a folder.* goes to --manifest"):
        find_gallery(str(tmp_path / "table.csv"))


def test_an_unreadable_table_is_said(tmp_path):
    put(tmp_path, "A/1.jpg")
    put(tmp_path, "artists.csv", content="name\nDürer".encode("latin-1"))
    with pytest.raises(InputError, match=r"artists\.csv is not UTF-8 \(line 2.*Save it as UTF-8"):
        find_gallery(str(tmp_path))


# --- Manifest --------------------------------------------------------------------------------------------------------


def test_a_manifest_names_paintings_and_artists(tmp_path):
    data = put(tmp_path / "data", "a.jpg", "deep/b.weird", "both.jpg")
    put(tmp_path / "lists", "c.jpg", "both.jpg")
    outside = put(tmp_path / "outside", "d.jpg") / "d.jpg"
    paintings = ["a.jpg", "c.jpg", "both.jpg", outside, "a.jpg"]
    rows = [f"{path},Titian,1550" for path in paintings] + ["deep/b.weird,Piet_Mondrian,"]
    put(tmp_path, "lists/all.csv", content="\n".join(["\ufeffPath, Artist ,year", *rows, "", ""]).encode())
    put(data, "artists.csv", content=TABLE.encode())
    found = find_gallery(str(data), str(tmp_path / "lists/all.csv"))
    assert found.layout == "manifest"
    assert {(candidate.path, candidate.artist) for candidate in found.candidates} == {
        (f"{data}/a.jpg", "Titian"),
        (f"{data}/both.jpg", "Titian"),
        (f"{data}/deep/b.weird", "Piet Mondrian"),
        (f"{tmp_path}/lists/c.jpg", "Titian"),
        (str(outside), "Titian"),
    }
    assert found.rejects == ()


def test_bad_rows_of_a_manifest_are_rejects(tmp_path):
    put(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    put(
        tmp_path,
        "m.csv",
        content=b"path,artist\na.jpg,Titian\ngone.jpg,Titian\nb.jpg\nc.jpg,Titian\n"
        + f"{tmp_path}/c.jpg,Raphael".encode(),
    )
    found = find_gallery(str(tmp_path), str(tmp_path / "m.csv"))
    assert whose(found) == {"a.jpg": "Titian"}
    assert reasons(found) == {"b.jpg": "no artist", "c.jpg": "two artists", "gone.jpg": "missing file"}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"file;painter\na.jpg;Titian", r"has no column path \(columns found: file, painter\)"),
        (b"", r"columns found: none"),
        (b"path,artist\n", r"m\.csv is empty"),
        (b"path,artist\ngone.jpg,Titian\n", r"can be used: missing file 1"),
        (b"path,artist\n\xff\xfe,x\n", r"m\.csv is not UTF-8 \(line 2"),
        (None, r"The manifest .*m\.csv cannot be read: No such file"),
    ],
)
def test_an_unusable_manifest_is_said(tmp_path, content, sentence):
    if content is not None:
        put(tmp_path, "m.csv", content=content)
    with pytest.raises(InputError, match=sentence):
        find_gallery(str(tmp_path), str(tmp_path / "m.csv"))


# --- Remote file systems ---------------------------------------------------------------------------------------------


def test_a_gallery_in_an_object_store_is_listed(remote):
    there = ("images/images/Titian/1.jpg", "images/images/Rap[h]ael/é 1.jpg", "images/.x/2.jpg", "a.txt")
    put_objects(remote, *there, content=JPEG)
    put_objects(remote, "artists.csv", content=TABLE.encode())
    found = find_gallery(remote + "/")
    assert found.root == remote
    assert found.layout == "kaggle"
    assert whose(found) == {"images/images/Rap[h]ael/é 1.jpg": "Rap[h]ael", "images/images/Titian/1.jpg": "Titian"}
    assert found.candidates[0].bytes == len(JPEG)
    assert found.candidates[0].modified > 0
    assert found.artists[1].nationality == "Italian"


def test_a_manifest_in_an_object_store_is_read(remote):
    put_objects(remote, "a.jpg", "lists/b.jpg", content=JPEG)
    put_objects(remote, "lists/m.csv", content=b"path,artist\na.jpg,Titian\nb.jpg,Raphael\nc.jpg,Raphael\n")
    found = find_gallery(remote, f"{remote}/lists/m.csv")
    assert whose(found) == {"a.jpg": "Titian", "lists/b.jpg": "Raphael"}
    assert reasons(found) == {"c.jpg": "missing file"}


# --- Size ------------------------------------------------------------------------------------------------------------


def test_what_is_listed_to_the_disk_is_what_is_listed_in_memory_by_path(tmp_path):
    art, scratch = tmp_path / "art", tmp_path / "scratch"
    scratch.mkdir()
    put(art, "a/2.jpg", "a/b/1.jpg", "a.b/1.jpg", "a b/1.jpg", "a/b.jpg", "z/St. Jerome", "a0/note.txt")
    put(tmp_path, "other/A/1.jpg", "other/0/1.jpg")
    (art / "a!").symlink_to(tmp_path / "other")
    (art / "copy of a").symlink_to(art / "a")
    in_memory, on_disk = find_gallery(str(art)), find_gallery(str(art), scratch=scratch)
    assert list(on_disk.candidates) == list(on_disk.candidates) == list(in_memory.candidates)
    assert len(on_disk.candidates) == len(in_memory.candidates) == 8
    paths = [candidate.path for candidate in in_memory.candidates]
    assert paths == sorted(paths)
    assert f"{art}/a!/A/1.jpg" in paths
    assert (on_disk.rejects, on_disk.artists, on_disk.notes) == (
        in_memory.rejects,
        in_memory.artists,
        in_memory.notes,
    )


def test_what_is_listed_to_the_disk_is_not_held(tmp_path):
    peaks = []
    for count in (500, 5000):
        art, scratch = tmp_path / f"art{count}", tmp_path / f"scratch{count}"
        scratch.mkdir()
        for number in range(0, count, 100):
            put(art, *(f"Artist {number}/{picture:070}.jpg" for picture in range(100)), content=b"")
        tracemalloc.start()
        found = find_gallery(str(art), scratch=scratch)
        assert sum(1 for _ in found.candidates) == len(found.candidates) == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 60 * 4500  # bytes: less than a path takes
