"""Tables as people and spreadsheets save them."""

from __future__ import annotations

import pytest

from pipeline.errors import InputError
from pipeline.gallery.tables import read_table

TABLE = 'path,artist\na.jpg,"Brueghel, Jan"\n\nb.jpg,Klee\n'


def cells(data: bytes) -> list[tuple[int, str, str]]:
    return [(row.line, row.cells["path"], row.cells["artist"]) for row in read_table(data, "T", ("path", "artist"))[1]]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_encodings_and_ends_of_lines_make_no_difference(encoding, end):
    found = cells(TABLE.replace("\n", end).encode(encoding))
    assert [row[1:] for row in found] == [("a.jpg", "Brueghel, Jan"), ("b.jpg", "Klee")]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_each_separator_is_found_from_the_header(separator):
    text = f"Artist{separator} Path {separator}note\nKlee{separator} a.jpg{separator}\nMonet{separator}b.jpg\n"
    assert cells(text.encode()) == [(2, "a.jpg", "Klee"), (3, "b.jpg", "Monet")]


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "no column path"),
        (b"path\na.jpg\n", r"no column artist \(columns found: path\)"),
        (b"path,artist\na.jpg,Klee\nb.jpg,Brueghel, Jan\n", "line 3: 3 cells, and .* 2.*must stand in quotes"),
        (b'path,artist\na.jpg,"Klee\n', "line 2: .*written twice"),
        ("path,artist\na.jpg,Dürer\n".encode("latin-1"), r"not UTF-8 \(line 2"),
    ],
)  # fmt: skip
def test_a_table_that_cannot_be_understood_is_named_with_its_line(data, sentence):
    with pytest.raises(InputError, match=sentence):
        cells(data)
