"""A sample of a gallery keeps every artist, is always the same one, and builds."""

import csv
import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import sample
from pipeline.errors import InputError
from pipeline.gallery.find import find_gallery
from tests.pipeline.pictures.scenes import saved, scene

galleries = st.dictionaries(st.text("abcdef", min_size=1, max_size=3), st.integers(1, 60), min_size=1, max_size=12)


@given(galleries, st.integers(0, 400))
def test_quotas_add_up_and_keep_three_of_each_artist_who_has_three(paintings, total):
    least = {artist: min(3, count) for artist, count in paintings.items()}
    if total < sum(least.values()):
        with pytest.raises(InputError, match="at least"):
            sample.quotas(paintings, total)
        return
    found = sample.quotas(paintings, total)
    assert sum(found.values()) == min(total, sum(paintings.values()))
    assert all(least[artist] <= found[artist] <= paintings[artist] for artist in paintings)


@given(galleries, st.integers(40, 200))
def test_artists_with_more_paintings_never_give_fewer(paintings, total):
    if total < sum(min(3, count) for count in paintings.values()):
        return
    found = sample.quotas(paintings, total)
    for fewer, more in itertools.permutations(paintings, 2):
        if paintings[fewer] <= paintings[more]:
            assert found[fewer] <= found[more] + 1  # the remainder of a division goes to one of them


def test_the_sample_does_not_depend_on_the_order_of_files():
    paintings = [(f"{artist}/{number}.jpg", artist) for artist in "ABC" for number in range(20)]
    chosen = sample.choose(paintings, 15)
    assert chosen == sample.choose(reversed(paintings), 15)
    assert Counter(artist for _, artist in chosen) == {"A": 5, "B": 5, "C": 5}
    assert {path for path, _ in chosen} != {f"{artist}/{number}.jpg" for artist in "ABC" for number in range(5)}


def test_the_command_writes_a_manifest_that_the_builder_reads(tmp_path, capsys):
    for artist in ("Ada_Umber", "Béla_Ochre"):
        folder = tmp_path / "art" / "images" / "images" / artist
        folder.mkdir(parents=True)
        for number in range(8):
            (folder / f"{artist}_{number}.jpg").write_bytes(saved(scene(40 + number, 32), "JPEG"))
    output = tmp_path / "sample.csv"
    assert sample.main([f"--data_dir={tmp_path / 'art'}", "--paintings=10", f"--output={output}"]) == 0
    assert "10 of 16 paintings by 2 artists" in capsys.readouterr().out
    rows = list(csv.DictReader(output.open(encoding="utf-8")))
    assert Counter(row["artist"] for row in rows) == {"Ada Umber": 5, "Béla Ochre": 5}
    found = find_gallery(str(tmp_path / "art"), str(output))
    assert len(found.candidates) == 10
    assert not found.rejects


def test_a_sample_too_small_for_all_artists_is_refused_with_how_many_it_takes(tmp_path, capsys):
    (tmp_path / "A").mkdir()
    for number in range(5):
        (tmp_path / "A" / f"{number}.png").write_bytes(saved(scene(30 + number), "PNG"))
    assert sample.main([f"--data_dir={tmp_path}", "--paintings=2", f"--output={tmp_path / 's.csv'}"]) == 1
    assert "at least 3 paintings" in capsys.readouterr().err
    assert not (tmp_path / "s.csv").exists()
