"""The report: it says what results.json says, escapes what it is given, and works in a browser."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from selenium.webdriver.common.keys import Keys

from pipeline.dataset.dataset import Dataset
from tests import browser, runs
from tests.datasets import change_paintings
from trainer.judging import leaks
from trainer.pages import plots
from trainer.pages.html import between, percent
from trainer.pages.report import render, write_report
from trainer.run.folder import RunError, RunFolder


@pytest.fixture(scope="module")
def report(judged_run: Path) -> Path:
    return write_report(RunFolder(judged_run))


@pytest.fixture(scope="module")
def html(report: Path) -> str:
    return report.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def results(judged_run: Path) -> dict:
    return json.loads((judged_run / "results.json").read_text())


def test_the_report_says_what_the_results_say(html: str, results: dict):
    text = " ".join(re.sub(r"<[^>]+>", " ", html).split())
    for split in ("train", "validation", "test"):
        painting = results[split]["painting"]
        for name in ("top1", "top5", "macro_f1"):
            assert f"{percent(painting[name])} {between(painting['intervals'][name])}" in text
    assert f"{percent(results['test']['crop']['top1'])} {between(results['test']['crop']['intervals']['top1'])}" in text
    for name in ("majority_top1", "prior_top5", "stratified_top1"):
        assert percent(results["baselines"][name]) in text
    assert percent(results["calibration"]["after"]["expected_calibration_error"]) in text
    assert "No copies across splits." in text
    assert "35 paintings it had never seen" in text


def test_names_flags_and_paths_are_escaped(html: str):
    assert "<i>Vermilion" not in html
    assert "Cyn &lt;i&gt;Vermilion&lt;/i&gt;" in html
    assert "--note=&lt;b&gt;&amp;" in html
    assert "train &amp; " in html or "test &amp; " in html


def test_the_report_is_small_and_asks_for_nothing(html: str):
    assert len(html) < 3_000_000
    addresses = re.findall(r"""(?:href|src)\s*=\s*["']([^"'#]+)""", html)
    assert all(address.startswith("data:") for address in addresses)
    assert "@import" not in html
    assert "url(" not in html


def test_pictures_come_from_the_records_where_the_files_are_gone(
    judged_run: Path, judged_dataset: Path, tmp_path: Path, html: str
):
    dataset = shutil.copytree(judged_dataset, tmp_path / "dataset")
    change_paintings(dataset, lambda row: replace(row, path=str(tmp_path / "gone" / Path(row.path).name)))
    run_dir = moved(judged_run, tmp_path / "run", dataset)
    page = render(RunFolder(run_dir))
    shown = html.count('class="plot painting"')
    assert page.count('class="plot painting"') == shown > 0
    assert html.count("<image ") == shown
    assert page.count("<image ") == 4 * shown


def test_a_changed_file_is_not_shown_for_the_painting_it_was(judged_dataset: Path, tmp_path: Path):
    from trainer.pages.likenesses import thumbnail

    row = pd.DataFrame(Dataset.open(judged_dataset).planned()).iloc[0]
    path, root = Path(row["path"]), Dataset.open(judged_dataset).contract.data_dir
    assert thumbnail(str(path), root, row["digest"], 10**6) is not None
    assert thumbnail(str(path), root, row["digest"], row["width"] * row["height"] - 1) is None
    assert thumbnail(str(path), str(path.parent.parent / "another"), row["digest"], 10**6) is None
    changed = tmp_path / "changed.jpg"
    changed.write_bytes(Path(row["path"]).read_bytes() + b"\0")
    assert thumbnail(str(changed), str(tmp_path), row["digest"], 10**6) is None


def test_a_report_without_its_dataset_says_what_it_cannot_know(judged_run: Path, tmp_path: Path):
    page = render(RunFolder(moved(judged_run, tmp_path / "run", tmp_path / "nowhere")))
    assert "no picture of it any more" in page
    assert "Not possible: the dataset" in page
    assert "No copies across splits" not in page


def test_an_unjudged_run_is_refused(tmp_path: Path):
    with pytest.raises(RunError, match=r"results\.json"):
        render(RunFolder(tmp_path))


# --- The leak check finds what is wrong ---


def test_leaks_are_found_and_counted():
    paintings = pd.DataFrame(
        [
            ("a", "d1", "a", "train"),
            ("b", "d2", "a", "test"),  # a near copy of a
            ("c", "d3", "c", "train"),
            ("d", "d3", "d", "validation"),  # the same bytes as c
            ("e", "d5", "e", "test"),
        ],
        columns=["painting_id", "digest", "group", "split"],
    )
    judged = pd.DataFrame([("b", "test"), ("e", "train"), ("unlisted", "test")], columns=["painting_id", "split"])
    found = leaks.examine(paintings, judged, "near")
    assert list(found.leaks.values()) == [0, 1, 1, 2]
    assert not found.clean
    assert (found.paintings, found.groups, found.grouped) == (5, 1, 2)
    assert "perceptual hash" in found.found_by
    assert leaks.examine(paintings.iloc[[0, 4]], judged.iloc[:0], "near").clean


def test_a_leak_stands_in_the_report(judged_run: Path, judged_dataset: Path, tmp_path: Path):
    dataset = shutil.copytree(judged_dataset, tmp_path / "dataset")
    trained, tested = (
        next(Dataset.open(dataset).paintings("painting_id", "group", split=split)) for split in ("train", "test")
    )
    change_paintings(
        dataset,
        lambda row: replace(row, group=trained["group"]) if row.painting_id == tested["painting_id"] else row,
    )
    page = render(RunFolder(moved(judged_run, tmp_path / "run", dataset)))
    assert "cannot be trusted" in page
    assert "groups of near copies in two splits: <strong>1</strong>" in page


# --- Plots ---


def test_one_epoch_and_one_artist_do_not_break_the_plots():
    assert "polyline" in plots.learning_curve(runs.EPOCHS[:1], "loss", "loss")
    flat = [{**epoch, "train_loss": 0.0, "validation_loss": 0.0} for epoch in runs.EPOCHS]
    assert "polyline" in plots.learning_curve(flat, "loss", "loss")
    single = plots.confusion_matrix({"order": [0], "matrix": [[3]]}, ["<A & B>"], [""])
    assert "&lt;A &amp; B&gt;" in single
    assert plots.whisker(None, None) == ""


def test_fifty_artists_fit_a_matrix():
    matrix = np.eye(50, dtype=int).tolist()
    names = [f"Painter {index}" for index in range(50)]
    drawn = plots.confusion_matrix({"order": list(range(50)), "matrix": matrix}, names, ["A"] * 25 + ["B"] * 25)
    assert drawn.count('<g class="hit deep">') == 50
    assert drawn.count('class="border"') == 3


# --- In a browser ---


@browser.needs_browser
def test_the_report_opens_without_complaint_and_its_table_sorts_by_click_and_key(report: Path, tmp_path: Path):
    with browser.chromium(tmp_path) as page:
        page.get(report.as_uri())
        assert browser.complaints(page) == []
        assert browser.requests(page) == [report.as_uri()]
        assert browser.overflow(page) <= 0

        def column(index: int) -> list[str]:
            return page.execute_script(
                "return [...document.querySelectorAll('.sortable tbody tr')].map(r => r.cells[arguments[0]].innerText)",
                index,
            )

        heads = page.find_elements("css selector", ".sortable th button")
        trained = heads[2]
        trained.click()
        assert list(map(int, column(2))) == sorted(map(int, column(2)), reverse=True)
        assert trained.find_element("xpath", "..").get_attribute("aria-sort") == "descending"
        trained.send_keys(Keys.ENTER)
        assert list(map(int, column(2))) == sorted(map(int, column(2)))
        assert trained.find_element("xpath", "..").get_attribute("aria-sort") == "ascending"
        heads[0].send_keys(Keys.SPACE)
        assert column(0)[0].startswith("Ada Umber")
        assert trained.find_element("xpath", "..").get_attribute("aria-sort") is None


@browser.needs_browser
def test_the_report_fits_a_printed_page(report: Path, tmp_path: Path):
    with browser.chromium(tmp_path, width=720) as page:  # A4 less its margins, in CSS pixels
        page.get(report.as_uri())
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
        assert browser.overflow(page) <= 0
        assert not page.find_element("css selector", "nav").is_displayed()


@browser.needs_browser
def test_the_report_fits_a_phone_and_turns_dark(report: Path, tmp_path: Path):
    with browser.chromium(tmp_path / "phone", width=390, height=844) as page:
        page.get(report.as_uri())
        assert browser.overflow(page) <= 0
        light = page.execute_script("return getComputedStyle(document.body).backgroundColor")
    with browser.chromium(tmp_path / "dark", dark=True) as page:
        page.get(report.as_uri())
        dark = page.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert brightness(light) > 200 > 60 > brightness(dark)


def brightness(colour: str) -> float:
    return float(np.mean(list(map(int, re.findall(r"\d+", colour)[:3]))))


def moved(run_dir: Path, target: Path, dataset_dir: Path) -> Path:
    """A copy of a run that says its dataset lies elsewhere."""
    copy = shutil.copytree(run_dir, target)
    about = json.loads((copy / "run.json").read_text())
    (copy / "run.json").write_text(json.dumps({**about, "dataset_dir": str(dataset_dir)}))
    return copy


def test_each_painting_that_is_shown_has_a_map_of_whom_its_parts_speak_for(html: str):
    shown = re.findall(r"<li><figure>.*?</figure>", html, re.DOTALL)
    assert shown
    for figure in shown:
        assert 'class="map" src="data:image/jpeg;base64,' in figure
        shares = [int(share) for share in re.findall(r"(\d+)%", figure.split("</svg>", 1)[1].split("</details>")[0])]
        assert 1 <= sum(shares[: len(shares) // 2]) <= 102  # once as a text for who cannot see, once as a legend


def test_of_a_foreign_network_there_are_no_maps_and_all_the_rest(judged_run: Path, tmp_path: Path):
    run = shutil.copytree(judged_run, tmp_path / "run")
    model = keras.models.load_model(run / "best.keras")
    flat = keras.layers.Flatten(name="embedding")(keras.layers.Rescaling(1.0)(model.inputs[0]))
    keras.Model(model.inputs, keras.layers.Dense(6, activation="softmax")(flat)).save(run / "best.keras")
    page = render(RunFolder(run))
    assert 'class="map"' not in page
    assert "The most confident mistakes" in page
