"""The table: seeds put together, the original's figures only where they belong, failures in sight."""

from __future__ import annotations

import csv
import io
import json
import shutil
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests import browser, forked
from trainer.run import outcomes
from trainer.run.folder import RunError, RunFolder
from trainer.run.outcomes import Outcome
from trainer.series import originals, recipe, rows
from trainer.series import tables as table
from trainer.series.recipe import RECIPES

ROWS = originals.read()
BEST = recipe.read(RECIPES / "crop64x16_resnet50_d0.9_l2_1e-4.flags")


def scores(top1: float) -> dict[str, Any]:
    return {"top1": top1, "top5": 0.9, "macro_f1": top1 / 2, "intervals": {"top1": [top1 - 0.1, top1 + 0.1]}}


def outcome(
    name: str = BEST.name, seed: int = 0, top1: float = 0.5, *, reference: bool = False, **flags: Any
) -> Outcome:
    """A finished run of the best crop row, its test crops at `top1` and its paintings 0.1 above."""
    paintings = (
        {"train": 6_756, "validation": 845, "test": 845} if reference else {"train": 80, "validation": 9, "test": 9}
    )
    labels = tuple(sorted(originals.REFERENCE_ARTISTS)) if reference else ("Ada <i>", "Béla")
    results = {
        **{split: {"crop": scores(top1), "painting": scores(top1 + 0.1)} for split in ("train", "validation", "test")},
        "baselines": {"majority_top1": 0.3, "prior_top5": 0.8},
        "dataset": {"fingerprint": f"{reference}", "artists": len(labels), "paintings": paintings},
        "throughput": {"examples_per_second": 100.0 * (1 + seed), "seconds": 60.0},
    }
    settings = {**BEST.flags, "seed": seed, "grayscale": False, **flags}
    return Outcome(
        name=name, seed=seed, scheme=BEST.scheme, flags=settings, labels=labels, epochs=100, results=results, error=""
    )


def failed(seed: int, error: str = "no room | left") -> Outcome:
    return replace(outcome(seed=seed), results=None, epochs=0, error=error, labels=())


# --- Rows ---


def test_seeds_of_a_recipe_become_one_row_with_mean_and_spread():
    values = [0.50, 0.53, 0.56]
    (row,) = rows.rows([outcome(seed=seed, top1=value) for seed, value in enumerate(values)], ROWS)
    assert row.seeds == (0, 1, 2)
    assert row.measures["test_top1"] == pytest.approx((statistics.mean(values), statistics.stdev(values)))
    assert row.measures["examples_per_second"].mean == pytest.approx(200)
    assert row.interval == pytest.approx((0.53, 0.73))
    assert table.share(row.measures["test_top1"]) == "0.530 ± 0.030"


def test_folds_have_columns_where_a_run_was_cross_validated():
    plain = outcome()
    assert plain.results is not None
    folded = replace(plain, results={**plain.results, "folds": {"painting": scores(0.77)}}, name="folded")
    found = rows.rows([plain, folded], ROWS)
    assert "| Folds top-1 | Folds macro-F1 |" in table.markdown(found)
    assert "| 0.770 | 0.385 |" in table.markdown(found)
    assert "Folds, top‑1" in table.page(found)
    assert "Folds" not in table.markdown(rows.rows([plain], ROWS))


def test_a_single_seed_has_no_spread():
    (row,) = rows.rows([outcome()], ROWS)
    assert row.measures["test_top1"].spread is None
    assert table.share(row.measures["test_top1"]) == "0.500"


def test_runs_of_one_name_that_differ_in_flags_or_paintings_are_not_averaged():
    assert len(rows.rows([outcome(), outcome(seed=1, augment="light")], ROWS)) == 2
    assert len(rows.rows([outcome(), outcome(seed=1, reference=True)], ROWS)) == 2
    assert len(rows.rows([outcome(run_dir="a"), outcome(seed=1, run_dir="b")], ROWS)) == 1


def test_a_failed_and_an_unfinished_seed_stand_in_the_row_of_the_others():
    waiting = replace(outcome(seed=2), results=None, epochs=7)
    (row,) = rows.rows([outcome(), failed(1), waiting], ROWS)
    assert row.seeds == (0,)
    assert row.failures == ((1, "no room | left"),)
    assert row.unfinished == ((2, 7),)


def test_the_originals_figures_stand_beside_ours_only_on_its_paintings_and_in_its_colours():
    (ours,) = rows.rows([outcome(reference=True)], ROWS)
    assert ours.original is not None
    assert table.original(ours, "top1") == "0.3157"
    assert rows.rows([outcome()], ROWS)[0].original is None
    assert rows.rows([outcome(reference=True, grayscale=True)], ROWS)[0].original is None
    assert rows.rows([outcome(reference=True, augment="strong")], ROWS)[0].original is None


def test_rows_stand_in_the_order_of_the_original_table_twins_beside_them_and_others_last():
    read = [recipe.read(path) for path in RECIPES.glob("*.flags")]
    runs = [replace(outcome(each.name), scheme=each.scheme, flags=dict(each.flags)) for each in read]
    order = [row.name for row in rows.rows(runs, ROWS)]
    assert order[:12] == [
        "crop64x16_mobilenet_d0.7",
        "crop64x16_mobilenet_d0.7_l2_1e-3",
        "crop64x16_mobilenet_d0.9_l2_1e-4",
        "crop64x16_resnet50_d0.9_l2_1e-4",
        "crop64x16_resnet50_d0.9_l2_1e-4_gray",
        "crop128x4_mobilenet_d0.7_l2_1e-4",
        "crop128x4_resnet50_d0.7_l2_1e-4",
        "crop256x1_mobilenet_d0.7_l2_1e-4",
        "reshape256_mobilenet_d0.7_l2_1e-4",
        "reshape256_mobilenet_d0.7_l2_1e-4_gray",
        "crop256x1_resnet50_d0.9_l2_1e-2",
        "reshape256_resnet50_d0.9_l2_1e-2",
    ]


# --- Tables ---


def test_markdown_has_as_many_cells_in_every_line_and_escapes_bars():
    found = rows.rows([outcome(), failed(1), outcome("other", reference=True)], ROWS)
    lines = [line for line in table.markdown(found).splitlines() if line.startswith("|")]
    assert len({line.replace("\\|", "").count("|") for line in lines}) == 1
    assert len(lines) == 2 + len(found)
    assert "seed 1 failed: no room \\| left" in lines[2] + lines[3]


def test_the_spreadsheet_holds_full_precision_and_a_line_per_recipe():
    found = rows.rows([outcome(top1=1 / 3), outcome(seed=1, top1=0.5), outcome("other", augment="light")], ROWS)
    lines = list(csv.DictReader(io.StringIO(table.spreadsheet(found))))
    line = next(line for line in lines if line["recipe"] == BEST.name)
    assert len(lines) == 2
    assert float(line["test_top1"]) == statistics.fmean([1 / 3, 0.5])
    assert float(line["test_top1_sd"]) == statistics.stdev([1 / 3, 0.5])
    assert line["seeds"] == "0 1"


def test_figures_of_another_dataset_are_told_apart():
    found = rows.rows([outcome(), outcome("other", reference=True)], ROWS)
    text = " ".join(table.notes(found))
    assert "Paintings A: 98 by 2 artists" in text or "Paintings B: 98 by 2 artists" in text
    assert "8,446 by 50 artists, the original's" in text
    assert "paintings A" in table.markdown(found)


def test_a_table_of_failures_alone_is_still_a_table():
    found = rows.rows([replace(failed(0), scheme=None, flags={})], ROWS)
    assert "seed 0 failed" in table.markdown(found)
    assert table.spreadsheet(found).count("\n") == 2


@pytest.mark.parametrize(("seconds", "said"), [(48, "48 s"), (89.6, "90 s"), (720, "12 min"), (11_100, "3 h 05 min")])
def test_durations_read_as_a_person_would_say_them(seconds: float, said: str):
    assert table.duration(seconds) == said


# --- Folders ---


@pytest.mark.parametrize(
    ("folder", "seed", "name"),
    [
        ("runs/first/seed2", 2, "first"),
        ("runs/first-s2", 2, "first"),
        ("runs/first_seed_2", 2, "first"),
        ("runs/first-s2", 1, "first-s2"),
        ("runs/crop64x16_resnet50_d0.9_l2_1e-4", 4, "crop64x16_resnet50_d0.9_l2_1e-4"),
    ],
)
def test_a_runs_name_is_its_recipes(folder: str, seed: int, name: str):
    assert outcomes.name_of(Path(folder), seed) == name


def test_a_folder_without_runs_is_refused(tmp_path: Path):
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(RunError, match="Found no run"):
            outcomes.find([folder])


@pytest.fixture(scope="module")
def runs_folder(judged_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real run, one that failed at its start, and one that is under way."""
    folder = tmp_path_factory.mktemp("runs")
    shutil.copytree(judged_run, folder / "small")
    RunFolder(folder / "broken" / "seed0").write_failure("<b>no</b> room", "crop32x4", {"epochs": 3})
    (folder / "started").mkdir()
    (folder / "started" / "flags.json").write_text(json.dumps({"seed": 5, "epochs": 3}))
    return folder


def test_the_command_writes_three_tables_of_real_runs(runs_folder: Path, judged_run: Path, tmp_path: Path):
    done = forked.run("trainer.table", f"--output={tmp_path / 'out'}", runs_folder, runs_folder / "small")
    assert done.returncode == 0, done.stderr
    said = done.stdout
    assert "3 runs:" in said
    (line,) = (line for line in said.splitlines() if line.startswith("| small"))
    test = json.loads((judged_run / "results.json").read_text())["test"]
    assert f"| {test['crop']['top1']:.3f} | {test['crop']['top5']:.3f} |" in line
    low, high = test["painting"]["intervals"]["top1"]
    assert f"{test['painting']['top1']:.3f} [{low:.3f}, {high:.3f}] | {test['painting']['macro_f1']:.3f}" in line
    assert "1,003" in line
    page = (tmp_path / "out" / "table.html").read_text(encoding="utf-8")
    assert "&lt;b&gt;no&lt;/b&gt; room" in page
    assert "seed 5 is not finished: 0 epochs trained" in page
    assert (tmp_path / "out" / "table.md").read_text(encoding="utf-8") in said


@browser.needs_browser
def test_the_page_fits_a_desktop_a_phone_and_a_printed_page(tmp_path: Path):
    read = [recipe.read(path) for path in RECIPES.glob("*.flags")]
    full = [
        replace(outcome(each.name, seed, 0.5 + seed / 50, reference=True), scheme=each.scheme, flags=dict(each.flags))
        for each in read
        for seed in range(3)
    ]
    file = tmp_path / "table.html"
    file.write_text(table.page(rows.rows([*full, failed(7, "no room " * 40)], ROWS)), encoding="utf-8")
    # The last is A4, across, less its margins, in CSS pixels.
    for name, width, media in (("desktop", 1280, "screen"), ("phone", 390, "screen"), ("paper", 1046, "print")):
        with browser.chromium(tmp_path / name, width=width) as page:
            page.get(file.as_uri())
            page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media})
            assert browser.complaints(page) == []
            assert browser.requests(page) == [file.as_uri()]
            assert browser.overflow(page) <= 0
            inner = "const e = document.querySelector('.scroll'); return e.scrollWidth - e.clientWidth"
            assert page.execute_script(inner) <= 0, name
