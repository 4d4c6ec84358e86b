"""How much can be told without looking at the painting? Where that comes near the model, the model has shown little."""

from __future__ import annotations

from typing import Any

from pipeline.dataset.dataset import Dataset
from pipeline.dataset.photographs import ask_photographs
from trainer.judging.scores import Tally, headline
from trainer.judging.voting import gather


def judge(dataset: Dataset) -> dict[str, Any]:
    """What the facts of the test paintings' files tell of their artists (`pipeline.dataset.photographs`).

    Returns:
      "facts": what they are, in words; "painting": the metrics, as `scores.headline` gives them. Empty where there is
      nothing to learn from, or to ask.
    """
    found = ask_photographs(dataset)
    if found is None:
        return {}
    batch = {"painting_id": list(found.ids), "label": found.labels, "scores": found.scores}
    paintings = gather([batch], dict.fromkeys(found.ids, 1), works=dataset.works("test"))
    return {"facts": list(found.facts), "painting": headline(Tally.of_paintings(paintings))}
