import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.dataset.contract import Artist
from pipeline.errors import InputError
from pipeline.gallery.names import Match, fold, match, read_artists_csv, repair


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("Albrecht_Dürer", "Albrecht Dürer"),
        ("Albrecht_Du╠êrer", "Albrecht Dürer"),
        ("Albrecht_DuΓòá├¬rer", "Albrecht Dürer"),
        ("Albrecht_Du\u0308rer", "Albrecht Dürer"),
        ("Albrecht DÃ¼rer", "Albrecht Dürer"),
        ("Pierre-Auguste_Renoir", "Pierre-Auguste Renoir"),
        ("  Piet__Mondrian\t", "Piet Mondrian"),
        ("Edvard\x00_Munch\u200b\ufeff", "Edvard Munch"),
        ("Georgia_O’Keeffe", "Georgia O’Keeffe"),
        ("葛飾_北斎", "葛飾 北斎"),
        ("___", ""),
        ("", ""),
    ],
)
def test_a_name_is_repaired(raw, name):
    assert repair(raw) == name


@given(st.one_of(st.text(max_size=40), st.text("_ àéü╠êΓòá├¬Ã¼&;amp\u0308\u200b\x00", max_size=20)))
def test_a_repaired_name_stays_as_it_is(raw):
    name = repair(raw)
    assert repair(name) == name
    assert name == " ".join(name.split())
    assert unicodedata.is_normalized("NFC", name)
    assert "_" not in name
    assert not any(unicodedata.category(char).startswith("C") for char in name)


@pytest.mark.parametrize("page", ["cp437", "cp850", "cp1252", "latin-1"])
@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("name", ["Albrecht Dürer", "José de Ribera", "Théodore Géricault", "Żmurko"])
def test_utf8_read_as_something_else_is_put_right(name, form, page):
    try:
        mangled = unicodedata.normalize(form, name).encode().decode(page)
    except UnicodeDecodeError:
        pytest.skip(f"{page} cannot show these bytes, so nothing shows them so")
    assert repair(mangled) == name


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_names_read_as_cp437_twice_are_put_right(form):
    mangled = unicodedata.normalize(form, "Albrecht_Dürer")
    for _ in range(2):
        mangled = mangled.encode().decode("cp437")
    assert repair(mangled) == "Albrecht Dürer"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Albrecht Dürer", "ALBRECHT DURER"),
        ("Albrecht_Du╠êrer", "albrecht-durer"),
        ("Pierre-Auguste Renoir", "Pierre Auguste Renoir"),
        ("Georgia O’Keeffe", "Georgia OKeeffe"),
        ("Joan Miró", "joan miro."),
    ],
)
def test_spellings_of_one_name_fold_alike(one, other):
    assert fold(one) == fold(other)


def test_different_artists_do_not_fold_alike():
    names = ["Claude Monet", "Edouard Manet", "Jan van Eyck", "Peter Paul Rubens", "葛飾北斎", "歌川広重"]
    assert len(set(map(fold, names))) == len(names)


TABLE = """\ufeffid,name,years,genre,nationality,bio,wikipedia,paintings
0,Piet_Mondrian,1872 – 1944,Neoplasticism,Dutch,"He, a painter,
lived",http://en.wikipedia.org/wiki/Piet_Mondrian,84
1,Albrecht DÃ¼rer, 1471 - 1528 ,Northern Renaissance,German,"",,328
"""


def test_artists_csv_is_read():
    assert read_artists_csv(TABLE.encode()) == [
        Artist("Piet Mondrian", "1872 – 1944", "Neoplasticism", "Dutch"),
        Artist("Albrecht Dürer", "1471 - 1528", "Northern Renaissance", "German"),
    ]


def test_of_its_columns_only_the_name_is_needed():
    assert read_artists_csv(b"Name\nTitian\n\n  \nTitian\nRaphael,\n") == [
        Artist("Titian"),
        Artist("Raphael"),
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", r"lists\.csv has no column name \(columns found: none\)"),
        ("artist,years\nTitian,1488\n", r"lists\.csv has no column name \(columns found: artist, years\)"),
        ('name\n"Titian\n', r"lists\.csv, line 2: unexpected end of data"),
    ],
)
def test_a_table_without_names_is_refused(text, sentence):
    with pytest.raises(InputError, match=sentence):
        read_artists_csv(text.encode(), "lists.csv")


DURER, MONET, MANET = Artist("Albrecht Dürer", "1471 - 1528"), Artist("Claude Monet"), Artist("Édouard Manet")


def test_names_are_matched_however_they_are_spelt():
    found = match(["Albrecht Durer", "Edouard-Manet"], [DURER, MONET, MANET])
    assert found == Match({"Albrecht Durer": DURER, "Edouard-Manet": MANET}, unknown=(), absent=(MONET,))


def test_a_name_that_matches_nothing_is_kept_and_reported():
    found = match(["William Bouguereau", "Claude Monet"], [MONET])
    assert found.artists["William Bouguereau"] == Artist("William Bouguereau")
    assert found.unknown == ("William Bouguereau",)


def test_an_ambiguous_spelling_is_not_matched_but_an_exact_one_is():
    twins = [Artist("Jan Bruegel", "1568"), Artist("Ján Bruegel", "1601")]
    found = match(["JAN BRUEGEL", "Ján Bruegel"], twins)
    assert found.unknown == ("JAN BRUEGEL",)
    assert found.artists["Ján Bruegel"] is twins[1]
    assert found.absent == (twins[0],)
