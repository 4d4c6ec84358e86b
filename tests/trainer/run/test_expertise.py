"""What a run knows beside its model travels as JSON, and is looked at as a whole when it is read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipeline.dataset.contract import Artist
from pipeline.dataset.schemes import parse_scheme
from pipeline.pictures.limits import DEFAULT_MAX_PIXELS
from trainer.run.expertise import Expertise

EXPERTISE = Expertise(
    artists=(Artist("Ada Umber", "1840 - 1900", "Realism", "Danish"), Artist("Béla Ochre")),
    training_paintings=(24, 0),
    scheme=parse_scheme("crop64x16"),
    seed=7,
    encoding="raw",
    temperature=1.5,
    threshold=None,
    fingerprint="f" * 64,
    max_pixels=200_000_000,
)


def read(**changes: Any) -> Expertise:
    return Expertise.from_dict({**json.loads(json.dumps(EXPERTISE.to_dict())), **changes})


def test_it_is_read_as_it_was_written() -> None:
    assert read() == EXPERTISE


def test_a_run_that_does_not_say_its_limit_has_the_default() -> None:
    content = EXPERTISE.to_dict()
    del content["max_pixels"]
    assert Expertise.from_dict(content).max_pixels == DEFAULT_MAX_PIXELS


@pytest.mark.parametrize(
    "changes",
    [
        {"artists": []},
        {"artists": [{"name": 3}, {"name": "Béla Ochre"}]},
        {"artists": "Ada"},
        {"training_paintings": [1]},
        {"training_paintings": [1, -1]},
        {"training_paintings": [1, 0.5]},
        {"scheme": "crop64"},
        {"seed": True},
        {"encoding": "gif"},
        {"temperature": 0},
        {"temperature": float("nan")},
        {"temperature": "1"},
        {"threshold": -1},
        {"fingerprint": None},
        {"max_pixels": 0},
        {"max_pixels": "100"},
        {"surprise": 1},
    ],
    ids=str,
)
def test_what_no_run_writes_is_no_expertise(changes: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError, KeyError, AttributeError)):
        read(**changes)
