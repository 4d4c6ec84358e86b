"""The runner: it builds what is missing, resumes where it stopped, and a failure stops nothing but itself."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.dataset.dataset import Dataset
from pipeline.dataset.schemes import Crops, Reshape, parse_scheme
from pipeline.errors import DatasetError, InputError
from pipeline.storage.lock import exclusive
from pipeline.terminal.progress import Progress
from tests.datasets import make_dataset
from tests.forked import Command
from tests.runs import paint
from trainer import experiments
from trainer.run.folder import RunFolder
from trainer.run.outcomes import Outcome
from trainer.series import forecast, launch, provision, recipe
from trainer.series.provision import Source
from trainer.series.runner import Series, is_complete, plan
from trainer.training.interrupts import Interrupts

GOOD = """\
--dataset_dir=datasets/crop32x2
--backbone=ResNet8
--epochs=12
--batch_size=8
--schedule=constant
--warmup=0
"""
BAD = GOOD + "--optimizer=adam\n--weight_decay=0.1\n"


def write_recipes(folder: Path, **texts: str) -> str:
    folder.mkdir()
    for name, text in texts.items():
        (folder / f"{name}.flags").write_text(f"# {name}\n{text}")
    return str(folder / "*.flags")


def start(*flags: str) -> Command:
    return Command("trainer.experiments", *flags)


def finish(process: Command) -> tuple[int | None, str, str]:
    out, err = process.communicate()
    return process.poll(), out, err


# --- As a user runs it ---


def test_a_series_is_stopped_resumes_and_ends_with_a_table_in_spite_of_a_failure(tmp_path: Path) -> None:
    make_dataset(tmp_path / "datasets", paintings=80, scheme="crop32x2")
    recipes = write_recipes(tmp_path / "recipes", a_bad=BAD, good=GOOD)
    runs, good = tmp_path / "runs", tmp_path / "runs" / "good" / "seed0"
    flags = (f"--recipes={recipes}", f"--datasets={tmp_path / 'datasets'}", f"--runs={runs}")

    endless = GOOD.replace("--epochs=12", "--epochs=999")  # it cannot end before it is stopped
    (tmp_path / "recipes" / "good.flags").write_text(endless)
    process = start(*flags)
    while not RunFolder(good).read_history():
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    code, out, err = finish(process)
    assert code == 128 + signal.SIGINT, err
    assert "The same command resumes from here" in err
    assert "seed 0 failed: --weight_decay belongs to --optimizer=adamw" in out
    assert not (good / "results.json").exists()

    (tmp_path / "recipes" / "good.flags").write_text(GOOD)
    code, out, err = finish(start(*flags))
    assert code == 1
    assert "Failed: a_bad, seed 0: --weight_decay belongs to --optimizer=adamw" in err
    assert "Traceback" not in out + err
    assert "good, seed 0: finished in" in out
    assert "Resuming from step" in (good / "log.txt").read_text()
    results = json.loads((good / "results.json").read_text())
    assert f"| {results['test']['crop']['top1']:.3f} |" in (runs / "table.md").read_text()
    assert all((runs / f"table.{kind}").stat().st_size for kind in ("csv", "html"))

    before = (good / "results.json").stat().st_mtime_ns
    (tmp_path / "recipes" / "a_bad.flags").unlink()
    code, out, err = finish(start(*flags))
    assert code == 0, err
    assert "good, seed 0: finished before" in out
    assert (good / "results.json").stat().st_mtime_ns == before

    code, _, err = finish(start(*flags, "--epochs=1"))
    assert code == 1
    assert "holds a run of 12 epochs, more than the 1 asked for" in err


def test_a_missing_dataset_is_built_by_its_scheme_from_a_sample_that_keeps_every_artist(tmp_path: Path) -> None:
    paintings = tmp_path / "art"
    for label, count in enumerate((9, 6, 3)):
        for number in range(count):
            path = paintings / f"Painter {label}" / f"{number}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            paint(label, np.random.default_rng([label, number])).save(path)
    recipes = write_recipes(tmp_path / "recipes", a=BAD, b=BAD.replace("crop32x2", "reshape48"))
    datasets, runs = tmp_path / "datasets", tmp_path / "runs"
    flags = (f"--recipes={recipes}", f"--datasets={datasets}", f"--runs={runs}", f"--data_dir={paintings}")
    code, out, err = finish(start(*flags, "--limit_paintings=12"))
    assert code == 1
    assert err.count("--weight_decay belongs to") == 2, out + err  # they were started: their datasets are there
    for scheme in ("crop32x2", "reshape48"):
        rows = pd.DataFrame(Dataset.open(datasets / scheme / "1.0.0").planned())
        assert Counter(rows["artist"]) == {"Painter 0": 5, "Painter 1": 4, "Painter 2": 3}

    code, _, err = finish(start(*flags))
    assert code == 1
    assert "was built from" in err
    assert "Pass another --datasets" in err


def test_a_dataset_that_cannot_be_built_fails_its_runs_with_the_builders_words(tmp_path: Path) -> None:
    (tmp_path / "art").mkdir()
    recipes = write_recipes(tmp_path / "recipes", only=GOOD)
    code, out, err = finish(
        start(
            f"--recipes={recipes}",
            f"--datasets={tmp_path / 'datasets'}",
            f"--runs={tmp_path / 'runs'}",
            f"--data_dir={tmp_path / 'art'}",
        )
    )
    assert code == 1
    assert "Failed: only, seed 0: crop32x2 could not be built" in err
    assert "is empty" in err
    assert "seed 0 failed: crop32x2 could not be built" in out


def test_a_second_runner_waits_for_what_the_first_left_behind(tmp_path: Path) -> None:
    recipes = write_recipes(tmp_path / "recipes", only=GOOD)
    with exclusive(tmp_path):
        code, _, err = finish(start(f"--recipes={recipes}", f"--runs={tmp_path}"))
    assert code == 1
    assert "Another trainer.experiments" in err


# --- What is decided ---


def test_all_recipes_run_with_the_first_seed_before_any_runs_with_the_second(tmp_path: Path) -> None:
    recipes = experiments.read_recipes(write_recipes(tmp_path / "r", a=GOOD, b=GOOD), None, False)
    planned = plan(recipes, 2, tmp_path / "d", tmp_path / "runs")
    assert [each.title for each in planned] == ["a, seed 0", "b, seed 0", "a, seed 1", "b, seed 1"]
    assert planned[-1].run.path == tmp_path / "runs" / "b" / "seed1"
    assert planned[-1].dataset_dir == tmp_path / "d" / "crop32x2"


def test_recipes_are_cut_short_and_go_without_weights_where_asked(tmp_path: Path) -> None:
    text = GOOD.replace("ResNet8", "MobileNetV3Small") + "--weights=imagenet\n--freeze_epochs=2\n"
    (only,) = experiments.read_recipes(write_recipes(tmp_path / "r", only=text), 1, True)
    words = plan([only], 1, tmp_path, tmp_path)[0].command
    assert only.name == "only-from-nothing"
    assert {"--weights=none", "--freeze_epochs=0", "--epochs=1"} <= set(words)
    assert words.index(f"--flagfile={only.path}") < words.index("--epochs=1")  # the later flag wins


def test_folds_are_asked_of_runs_that_fit_a_head_until_they_have_them(tmp_path: Path) -> None:
    head, whole = (recipe.read(recipe.RECIPES / f"{name}.flags") for name in ("cpu_best", "cpu_scratch"))
    assert head.embeds
    assert not whole.embeds
    assert not head.pretrained  # a package brings its weights: nothing is to be downloaded
    assert not recipe.from_nothing(head).embeds
    with Interrupts() as interrupts, Progress("", 1, "", quiet=True) as progress:
        planned = plan([head, whole], 1, tmp_path, tmp_path / "runs")
        series = Series(planned, tmp_path, tmp_path / "runs", 5, (), interrupts, progress)
        assert [series._lacks_folds(each) for each in planned] == [True, False]
        planned[0].run.write_head({"folds": {"folds": 5}})
        assert not series._lacks_folds(planned[0])


def test_recipes_that_are_missing_or_share_a_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="matches no file"):
        experiments.read_recipes(str(tmp_path / "*.flags"), None, False)
    write_recipes(tmp_path / "one", same=GOOD)
    write_recipes(tmp_path / "two", same=GOOD)
    with pytest.raises(InputError, match="Two recipes are named same"):
        experiments.read_recipes(str(tmp_path / "*" / "*.flags"), None, False)


def test_a_run_is_complete_only_with_these_flags_this_seed_and_this_dataset() -> None:
    settings = {"epochs": 3, "dropout": 0.5, "seed": 1, "dataset_dir": "x", "run_dir": "y"}
    results = {"dataset": {"fingerprint": "abc"}}
    flags = {**settings, "dataset_dir": "moved", "run_dir": "moved", "l2": 0.0}
    done = Outcome(name="n", seed=1, scheme=None, flags=flags, labels=(), epochs=3, results=results, error="")
    assert is_complete(settings, "abc", done)
    assert not is_complete(settings, "other", done)
    assert not is_complete({**settings, "seed": 2}, "abc", done)
    assert not is_complete({**settings, "dropout": 0.2}, "abc", done)
    assert not is_complete(settings, "abc", replace(done, results=None))


def test_an_embedded_gallery_is_cut_by_painting_a_smaller_one() -> None:
    source = Source(None, 60)
    paint_it, build = provision.commands([Crops(64, 16), Reshape(256)], Path("d"), source)
    assert paint_it[2:] == ["pipeline.atelier", "--output=d/gallery-60", "--paintings=60"]
    assert build[2:4] == ["pipeline.build", "--output_dir=d"]
    assert build[4:] == ["--data_dir=d/gallery-60", "--crop=64", "--samples=16", "--reshape=256"]
    (whole,) = provision.commands([Crops(64, 16)], Path("d"), Source(None, None))
    assert whole[2:] == ["pipeline.build", "--output_dir=d", "--crop=64", "--samples=16"]
    assert provision.commands([], Path("d"), source) == []


def test_a_dataset_that_is_there_is_used_unless_other_paintings_are_asked_for(tmp_path: Path) -> None:
    folder = make_dataset(tmp_path, paintings=12, scheme="crop32x1")
    here, elsewhere = parse_scheme("crop32x1"), parse_scheme("crop32x2")
    assert provision.missing([here, elsewhere, elsewhere], tmp_path, Source(None, None)) == [elsewhere]
    with pytest.raises(DatasetError, match="unknown paintings"):
        provision.missing([here], tmp_path, Source(tmp_path, None))
    contract = Dataset.open(folder).contract
    (folder / "morelli.json").write_text(
        replace(contract, build={"data_dir": str(tmp_path), "manifest": None}).to_json()
    )
    assert provision.missing([here], tmp_path, Source(tmp_path, None)) == []
    with pytest.raises(DatasetError, match="was built from"):
        provision.missing([here], tmp_path, Source(tmp_path, 5))


# --- Time left ---


def test_time_left_follows_from_what_epochs_have_taken() -> None:
    done = forecast.Part(work=10, done=1, seconds=100, ended=True)
    half = forecast.Part(work=20, done=0.5, seconds=100, ended=False)
    new = forecast.Part(work=5, done=0, seconds=0, ended=False)
    assert forecast.seconds_left([half, new], [40]) == pytest.approx(100 + 50 + 2 * 40)
    assert forecast.seconds_left([done, half, new], [40]) == pytest.approx(100 + 50 + 2 * 40)
    assert forecast.seconds_left([new], []) is None
    assert forecast.seconds_left([done], []) == 0
    assert forecast.share_done([done, half, new]) == pytest.approx(20 / 35)
    assert forecast.work("MobileNet", 128, 100, 2) == pytest.approx(8 * forecast.work("MobileNet", 64, 100, 1))


# --- Processes ---


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("noise\nError: no room\nI0000 more noise", 1, "no room"),
        ("error: is empty", 1, "is empty"),
        ("Traceback (most recent call last):\n  File\nValueError: bad", 1, "ValueError: bad"),
        (
            "FATAL Flags parsing error:\n  flag --x=1: no\nPass --helpshort or --helpfull to see help.",
            1,
            "flag --x=1: no",
        ),
        ("ValueError: bad\nI0000 00:00:17.1 7 port.cc:153] oneDNN is on.\n", 1, "ValueError: bad"),
        ("working", -9, "killed by SIGKILL, most likely for want of memory"),
        ("", 3, "exit status 3"),
    ],
)
def test_the_last_words_of_a_command_are_its_error(text: str, code: int, said: str) -> None:
    assert launch.last_words(text, code) == said


def test_a_command_hears_of_a_signal_once_and_may_take_its_time(tmp_path: Path) -> None:
    script = (
        "import signal, sys, time\n"
        "def leave(*_):\n    time.sleep(1.5); print('saved', flush=True); sys.exit(143)\n"
        "signal.signal(signal.SIGTERM, leave); print('ready', flush=True); time.sleep(60)"
    )
    log = tmp_path / "log.txt"
    with exclusive(tmp_path / "runs") as lock, Interrupts() as interrupts:

        def waiting() -> None:
            if launch.last_line(log) == "ready" and not interrupts.signal:
                signal.raise_signal(signal.SIGINT)

        error = launch.launch([sys.executable, "-c", script], log, lock, interrupts, waiting)
    assert interrupts.signal == signal.SIGINT
    assert error == "saved"
    assert log.read_text() == "ready\nsaved\n"
