"""The command line: what it means, and what it refuses before anything is read or written."""

import os
import shlex

import pytest

from pipeline import flags
from pipeline.dataset.schemes import Crops, Reshape

CROP = ("--crop=64", "--samples=16")


def parse(*argv: str) -> flags.Settings:
    return flags.parse(argv, 2, 10**6)


def refusal(capsys, *argv: str) -> str:
    with pytest.raises(SystemExit) as stop:
        parse(*argv)
    assert stop.value.code == 2
    return capsys.readouterr().err


def test_schemes_come_in_the_order_given():
    given = ("--reshape=256", *CROP, "--crop=128", "--samples=4")
    assert parse(*given).schemes == (Reshape(256), Crops(64, 16), Crops(128, 4))


@pytest.mark.parametrize(
    ("argv", "why"),
    [
        ((), "name at least one scheme"),
        (("--crop=64",), "needs --samples"),
        (("--crop=64", "--reshape=32"), "needs --samples"),
        (("--samples=4",), "right after the --crop"),
        ((*CROP, *CROP), "given twice"),
        (("--crop=4", "--samples=1"), "8 to 4096"),
        ((*CROP, "--splits=80/20"), "expected shares"),
        ((*CROP, "--splits=0/50/50"), "the first above 0"),
        ((*CROP, "--splits=nan/1/1"), "expected shares"),
        ((*CROP, "--splits=inf/1/1"), "expected shares"),
        ((*CROP, "--shard_mib=nan"), "above 0"),
        ((*CROP, "--shard_mib=inf"), "above 0"),
        ((*CROP, "--workers=0"), "above 0"),
        ((*CROP, "--max_rejects=120%"), "fraction"),
        ((*CROP, f"--seed={2**63}"), "64 bits"),
        ((*CROP, "--data_dir="), "received nothing"),
        ((*CROP, "--output_dir="), "received nothing"),
        ((*CROP, os.fsdecode(b"--data_dir=caf\xe9")), "UTF-8"),
    ],
)
def test_wrong_flags_are_refused_with_the_reason(capsys, argv, why):
    assert why in refusal(capsys, *argv)


@pytest.mark.parametrize(
    ("wrong", "right"), [("--sample=16", "--samples"), ("--reshap=64", "--reshape"), ("--job_nam=x", "--job_name")]
)
def test_an_unknown_flag_is_named_before_what_is_missing_without_it(capsys, wrong, right):
    assert f"did you mean {right}?" in refusal(capsys, "--crop=64", wrong)


def test_beams_flags_go_on_to_beam():
    given = ("--runner=FlinkRunner", "--project=p")
    assert parse(*CROP, *given).beam == given


def test_a_home_folder_is_meant_where_the_shell_leaves_its_sign(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    settings = parse(*CROP, "--data_dir=~/art", "--output_dir=~/sets/")
    assert (settings.data_dir, settings.output_dir) == ("/home/ada/art", "/home/ada/sets")


@pytest.mark.parametrize("scheme", [("--crop=300", "--samples=2"), ("--reshape=96",)])
def test_the_command_of_a_dataset_parses_to_the_settings_it_was_built_with(scheme):
    settings = parse(*scheme, "--data_dir=/my art/Dürer's", "--manifest=a b.csv", "--splits=3/1/0", "--seed=-4",
                     "--dedup=off", "--encoding=png", "--shard_mib=0.5", "--max_pixels=9000")  # fmt: skip
    command = flags.command(settings, settings.data_dir, settings.schemes[0], "png")
    assert parse(*shlex.split(command)[3:]) == settings
