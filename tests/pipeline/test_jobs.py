"""Whose workers do the jobs is told from the flags alone, as Beam would read them."""

from __future__ import annotations

import pytest

from pipeline import jobs


@pytest.mark.parametrize(
    ("flags", "ours"),
    [
        ([], True),
        (["--runner=DirectRunner", "--project=some"], True),
        (["--runner", "FnApiRunner"], True),
        (["--direct_running_mode=in_memory"], True),
        (["--direct_running_mode=multi_processing"], False),
        (["--runner=DataflowRunner", "--region=some"], False),
        (["--runner", "PortableRunner", "--job_endpoint=localhost:1"], False),
    ],
)
def test_only_the_local_runner_in_its_default_mode_is_given_our_workers(flags: list[str], ours: bool) -> None:
    assert jobs._is_local(flags) is ours
