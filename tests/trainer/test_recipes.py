"""The recipes are what their comments and names say, and can be cut short."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.dataset.schemes import Reshape
from pipeline.errors import InputError
from trainer.series import originals, recipe
from trainer.series.recipe import RECIPES

# As published: image size, samples, model, scheme, epochs, dropout, L2, test top-1 and top-5.
TABLE = {
    (64, 16, "MobileNet", "crop", 100, 0.7, 0.0, 0.2614, 0.5738),
    (64, 16, "MobileNet", "crop", 100, 0.7, 0.001, 0.2416, 0.5579),
    (64, 16, "MobileNet", "crop", 100, 0.9, 0.0001, 0.2459, 0.5457),
    (64, 16, "ResNet50", "crop", 100, 0.9, 0.0001, 0.3157, 0.6402),
    (128, 4, "MobileNet", "crop", 100, 0.7, 0.0001, 0.2264, 0.5297),
    (128, 4, "ResNet50", "crop", 100, 0.7, 0.0001, None, None),
    (256, 1, "MobileNet", "crop", 100, 0.7, 0.0001, None, None),
    (256, 1, "MobileNet", "reshape", 100, 0.7, 0.0001, 0.3598, 0.6521),
    (256, 1, "ResNet50", "crop", 100, 0.9, 0.01, 0.1669, 0.4355),
    (256, 1, "ResNet50", "reshape", 100, 0.9, 0.01, 0.3041, 0.6012),
}
WAY = {
    "weights": "none",
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "schedule": "constant",
    "warmup": 0,
    "clip_norm": 0,
    "label_smoothing": 0,
    "class_balance": "none",
    "augment": "none",
    "ema": 0,
}
ALL = sorted(RECIPES.glob("*.flags"))


@pytest.fixture(scope="module")
def rows() -> tuple[originals.Original, ...]:
    return originals.read()


def test_every_row_of_the_original_table_is_a_recipe(rows: tuple[originals.Original, ...]) -> None:
    found = set()
    for row in rows:
        scheme, flags = row.recipe.scheme, row.recipe.flags
        settings = [flags[name] for name in ("epochs", "dropout", "l2")]
        found.add((scheme.size, scheme.per_painting, flags["backbone"], scheme.kind, *settings, row.top1, row.top5))
    assert found == TABLE
    assert len(rows) == len(TABLE)


def test_the_rows_are_trained_the_original_way(rows: tuple[originals.Original, ...]) -> None:
    for row in rows:
        assert WAY.items() <= row.recipe.flags.items(), row.recipe.name


def test_the_best_crop_row_and_the_best_reshape_row_have_grayscale_twins(rows: tuple[originals.Original, ...]) -> None:
    for kind in ("crop", "reshape"):
        best = max((row for row in rows if row.recipe.scheme.kind == kind), key=lambda row: row.top1 or 0).recipe
        twin = recipe.read(best.path.with_name(f"{best.name}_gray.flags"))
        paths = {"run_dir": f"runs/{twin.name}"}
        assert twin.flags == {**best.flags, "grayscale": True, **paths}


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_a_recipe_can_be_found_again_from_its_own_comment(path: Path) -> None:
    read, text = recipe.read(path), recipe.comment(recipe.read(path))
    scheme = read.scheme
    build = " ".join(scheme.command)
    assert build in text
    assert f"--flagfile=trainer/recipes/{path.name}" in text
    assert read.flags["run_dir"] == f"runs/{path.stem}"


def test_the_name_of_a_row_says_what_it_is(rows: tuple[originals.Original, ...]) -> None:
    for row in rows:
        flags = row.recipe.flags
        l2 = {0.0: "", 1e-2: "_l2_1e-2", 1e-3: "_l2_1e-3", 1e-4: "_l2_1e-4"}[flags["l2"]]
        scheme = row.recipe.scheme.name
        assert row.recipe.name == f"{scheme}_{flags['backbone'].lower()}_d{flags['dropout']}{l2}"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("--dataset_dir=datasets/crop64x16\n", "--epochs"),
        ("--epochs=3\n", "--dataset_dir"),
        ("--epochs=3\n--dataset_dir=here\n", "crop scheme"),
        ("--epochs=3\n--dataset_dir=datasets/crop64x16\n--dropuot=0.1\n", "dropuot"),
        ("--epochs=many\n--dataset_dir=datasets/crop64x16\n", "epochs"),
    ],
)
def test_what_is_no_recipe_is_refused_with_what_it_lacks(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "some.flags").write_text(text)
    with pytest.raises(InputError, match=says):
        recipe.read(tmp_path / "some.flags")


def test_switches_and_version_folders_are_read(tmp_path: Path) -> None:
    (tmp_path / "some.flags").write_text("# Why\n--grayscale\n--nojit\n--epochs=3\n--dataset_dir=a/reshape128/1.0.0\n")
    read = recipe.read(tmp_path / "some.flags")
    assert read.scheme == Reshape(128)
    assert read.flags == {"grayscale": True, "jit": False, "epochs": 3, "dataset_dir": "a/reshape128/1.0.0"}


@given(st.sampled_from(ALL), st.integers(1, 200))
def test_a_shortened_recipe_keeps_its_shape(path: Path, epochs: int) -> None:
    before = recipe.read(path)
    cut = recipe.shortened(before, epochs).settings
    assert cut["epochs"] == min(epochs, before.flags["epochs"])
    for name in ("warmup", "freeze_epochs"):
        if name in before.flags:
            assert cut[name] <= cut["epochs"]  # or trainer.main refuses it
            share = cut["epochs"] / before.flags["epochs"]
            assert cut[name] == pytest.approx(before.flags[name] * share, abs=0.5 if name == "freeze_epochs" else 1e-6)


def test_a_recipe_without_its_pretrained_weights_says_so_in_its_name() -> None:
    t4 = recipe.read(RECIPES / "t4_best.flags")
    assert t4.pretrained
    without = recipe.from_nothing(t4)
    assert not without.pretrained
    assert without.name == "t4_best-from-nothing"
    assert without.settings["freeze_epochs"] == 0


# --- What may stand beside the original's figures ---


def test_a_run_matches_its_row_however_long_and_on_whatever_machine(rows: tuple[originals.Original, ...]) -> None:
    row = rows[0]
    scheme = row.recipe.scheme
    run = {**row.recipe.flags, "seed": 2, "epochs": 1, "batch_size": 512, "run_dir": "elsewhere", "grayscale": False}
    assert originals.match(rows, scheme, run) is row
    assert originals.match(rows, scheme, {**run, "grayscale": True}) is row
    assert originals.match(rows, scheme, {**run, "augment": "light"}) is None
    assert originals.match(rows, replace(scheme, size=96), run) is None


def test_the_reference_set_is_fifty_artists_by_name_and_all_their_paintings() -> None:
    artists = originals.REFERENCE_ARTISTS
    assert len(artists) == 50
    assert originals.is_reference_set(sorted(artists), 8_446)
    assert originals.is_reference_set(sorted(artists), 8_300)  # copies left out
    assert not originals.is_reference_set(sorted(artists), 200)  # a sample of it
    assert not originals.is_reference_set([*sorted(artists)[1:], "Ada Umber"], 8_446)
    assert not originals.is_reference_set(sorted(artists)[1:], 8_446)
