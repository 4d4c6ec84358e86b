"""What is there decides whether a step is done, and what a runner says is told with it."""

from __future__ import annotations

import pytest

from pipeline import build, flags
from pipeline.errors import IncompleteError
from pipeline.flags import Settings


def settings(*beam: str) -> Settings:
    return flags.parse(["--crop=64", "--samples=1", *beam], 1, 10**8)


CLUSTER = ("--runner=PortableRunner", "--job_endpoint=localhost:1")


@pytest.mark.parametrize(
    ("heard", "beam", "said"),
    [
        ("The disk is full.", CLUSTER, "The disk is full. 2 files were not looked at."),
        ("", CLUSTER, "PortableRunner says that all is done. Do its workers see the folders that we see? 2 files "),
        ("", (), "2 files were not looked at."),
    ],
)
def test_where_results_are_missing_what_the_runner_said_tells_why(heard: str, beam: tuple[str, ...], said: str) -> None:
    with pytest.raises(IncompleteError) as caught, build._explained(heard, settings(*beam)):
        raise IncompleteError("2 files were not looked at.")
    assert str(caught.value).startswith(said)


def test_a_complaint_over_results_that_are_all_there_is_a_note(capsys: pytest.CaptureFixture[str]) -> None:
    with build._explained("A worker was lost.", settings(*CLUSTER)):
        pass
    assert capsys.readouterr().out == "note: A worker was lost. All results are there all the same.\n"
