"""What a spreadsheet would run, or a terminal obey, is escaped in tables, and read back as it was."""

import csv
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.storage.cells import escape, unescape

ANY = st.text(st.characters()) | st.text(st.sampled_from("=+-@'\\\t\r\n\x1bxu09af\udcffé"))


@given(ANY, st.booleans())
@example("\\x1b", True)
@example("'\\\\x1b", False)
@example("\x1b\\x1b\\\\", False)
def test_a_cell_is_read_back_as_it_was(text, keep_bytes):
    assert unescape(escape(text, keep_bytes)) == text


@given(ANY)
def test_no_cell_is_a_formula_or_an_order(text):
    cell = escape(text)
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert not any(char < " " or "\x7f" <= char <= "\x9f" or "\ud800" <= char <= "\udfff" for char in cell)


@given(st.lists(ANY, min_size=2, max_size=2))
def test_a_row_of_cells_is_one_line(row):
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerow(map(escape, row))
    assert stream.getvalue().count("\n") == 1
    assert [unescape(cell) for cell in next(csv.reader([stream.getvalue()]))] == row


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("Dürer/Hase, 1502.jpg", "Dürer/Hase, 1502.jpg"),
        ("a\\b.jpg", "a\\b.jpg"),
        ("=1+1", "'=1+1"),
        ("@SUM(A1)\\", "'@SUM(A1)\\\\"),
        ("'quoted'", "''quoted'"),
        ("a\x1b[31m.jpg", "'a\\x1b[31m.jpg"),
        ("b\udcff.jpg", "'b\\udcff.jpg"),
    ],
)
def test_only_what_must_be_is_escaped(text, cell):
    assert escape(text) == cell


def test_bytes_of_a_path_may_be_kept():
    assert escape("b\udcff.jpg", keep_bytes=True) == "b\udcff.jpg"
    assert escape("=b\udcff.jpg", keep_bytes=True) == "'=b\udcff.jpg"
