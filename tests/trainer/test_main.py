"""The command line: what it refuses, how fast, and that flags.txt is the same command again."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest
from absl import flags

from pipeline.errors import InputError, StorageError
from pipeline.storage.lock import LOCK_FILE, exclusive
from tests.datasets import make_dataset
from trainer import main
from trainer.config import FLAGS, TYPES, Config, define_flags, differences
from trainer.main import _Printable, config_from_flags
from trainer.network.backbones import BACKBONES

REPOSITORY = Path(__file__).parents[2]
DEFAULTS = {name: each.default for name, each in FLAGS.items()}


def config(**changes: object) -> Config:
    return Config(**{**DEFAULTS, "dataset_dir": "d", "run_dir": "r", "weight_decay": 0.05, **changes})  # type: ignore[arg-type]


def command(*flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "trainer.main", *flags],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )


def own(stderr: str) -> str:
    return "\n".join(line for line in stderr.splitlines() if not line.startswith("import time:"))


@pytest.mark.parametrize(
    ("flag", "says"),
    [
        ("--backbone=VGG16", "|".join(BACKBONES)),
        ("--class_balance=yes", "none|weights|sampling|logit_adjust"),
        ("--dropout=1.5", "range [0, 0.95]"),
        ("--epochs=0", "positive integer"),
        ("--weights=missing.h5", "none, imagenet or a file"),
        ("--checkpoint_every=often", "500, or of minutes such as 10min"),
        ("--dataset_dir=nowhere", "nowhere holds no finished dataset"),
        ("extra", "Expected flags only"),
    ],
)
def test_a_wrong_value_is_refused_with_what_is_allowed_before_tensorflow_is_loaded(flag: str, says: str) -> None:
    done = command(flag)
    assert done.returncode == 1
    assert says in own(done.stderr) + done.stdout
    assert "Traceback" not in done.stderr
    assert " tensorflow\n" not in done.stderr
    assert " keras\n" not in done.stderr


def test_help_teaches_every_flag_without_loading_tensorflow() -> None:
    done = command("--help")
    for name in Config.__dataclass_fields__:
        assert f"--{name}" in done.stdout or f"--[no]{name}" in done.stdout, name
    assert " tensorflow\n" not in done.stderr


@pytest.mark.parametrize(
    "changes",
    [
        {"freeze_epochs": 1},
        {"backbone": "ResNet8", "weights": "imagenet"},
        {"weights": str(Path(__file__)), "freeze_epochs": 31},
        {"warmup": 31.0},
        {"optimizer": "adam"},
        {"jit": True, "strategy": "mirrored"},
        {"checkpoint_every": "0"},
    ],
)
def test_flags_that_do_not_go_together_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(InputError):
        config(**changes)


def parsed(*arguments: str) -> Config:
    """What trainer.main makes of a command line."""
    values = flags.FlagValues()
    define_flags(values)
    values(["main", *arguments])
    return config_from_flags(values)


def test_flags_txt_gives_the_same_run_again(tmp_path: Path) -> None:
    wanted = config(run_dir=str(tmp_path), jit=True, learning_rate=3e-4, checkpoint_every="500", weight_decay=0.0)
    (tmp_path / "flags.txt").write_text(wanted.to_flags())
    assert parsed(f"--flagfile={tmp_path / 'flags.txt'}") == wanted


@pytest.mark.parametrize("recipe", sorted((REPOSITORY / "trainer" / "recipes").glob("*.flags")), ids=lambda p: p.stem)
def test_every_recipe_begins_with_what_it_is_and_parses(recipe: Path) -> None:
    assert recipe.read_text().startswith("# ")
    assert parsed(f"--flagfile={recipe}").run_dir == f"runs/{recipe.stem}"


def test_every_flag_says_what_it_is_for_and_has_a_default_of_its_type() -> None:
    assert FLAGS.keys() == TYPES.keys()
    for name, each in FLAGS.items():
        assert each.help.endswith("."), name
        assert each.default is None or isinstance(each.default, TYPES[name]), name
        assert not each.choices or each.default in each.choices, name
    assert {name for name, each in FLAGS.items() if each.default is None} == {"run_dir", "weight_decay"}


def test_what_may_change_between_two_starts_is_no_difference() -> None:
    before = config().identity()
    assert not differences(before, config(dataset_dir="e", keep=5, checkpoint_every="9", early_stop=3).identity())
    assert differences(before, config(dropout=0.5).identity()) == ["dropout was 0.2, now 0.5"]


def test_only_a_constant_schedule_can_be_prolonged() -> None:
    assert differences(config().identity(), config(epochs=60).identity()) == ["epochs was 30, now 60"]
    constant = {"schedule": "constant"}
    assert not differences(config(**constant).identity(), config(**constant, epochs=60).identity())


def test_a_second_trainer_is_kept_out_of_a_runs_folder(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "dataset")
    with exclusive(tmp_path / "run"), pytest.raises(StorageError, match=r"Another trainer\.main .* another --run_dir"):
        main.run(config(dataset_dir=str(dataset), run_dir=str(tmp_path / "run")))
    assert [path.name for path in (tmp_path / "run").iterdir()] == [LOCK_FILE]


def test_a_file_in_place_of_a_runs_folder_is_a_sentence(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "dataset")
    (tmp_path / "run").write_text("mine")
    with pytest.raises(StorageError, match=r"Nothing can be written to .* as --run_dir"):
        main.run(config(dataset_dir=str(dataset), run_dir=str(tmp_path / "run")))
    assert (tmp_path / "run").read_text() == "mine"


def test_names_of_files_order_a_terminal_nothing_in_the_log() -> None:
    record = logging.LogRecord("absl", logging.WARNING, "loop.py", 1, "%s is damaged", ("a\x1b[2J.jpg",), None)
    assert str(_Printable().format(record)).endswith("a\\x1b[2J.jpg is damaged")
