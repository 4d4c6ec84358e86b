"""What a run found, as one HTML file to read, print and send.

Everything comes from the run's folder (and, for pictures and the leak check, from the dataset's where it still is);
nothing is computed here that results.json does not say. The page needs no network.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pipeline.dataset.contract import CARD_FILE
from pipeline.dataset.dataset import Dataset
from pipeline.storage import files
from trainer.errors import RunError
from trainer.judging import leaks
from trainer.judging.confusion import movements
from trainer.judging.metrics import METRICS
from trainer.judging.predictions import read as read_predictions
from trainer.judging.predictions import read_paintings
from trainer.judging.strangers import TURNED_AWAY
from trainer.judging.voting import Paintings
from trainer.network.saved import load_network
from trainer.pages import plots
from trainer.pages.exhibits import Choice, Exhibit, choose, exhibit
from trainer.pages.html import environment
from trainer.pages.likenesses import Likeness, likenesses
from trainer.run.expertise import Expertise
from trainer.run.folder import RunFolder

if TYPE_CHECKING:
    from trainer.judging.activation import Region

_BATCH = 16  # records: their feature maps, before they are averaged, take tens of MiB each


def write_report(run: RunFolder) -> Path:
    """Writes `report.html` of an evaluated run and returns its path.

    Raises:
      RunError: the run has not been evaluated.
    """
    files.write_text(run.report, render(run))
    return run.report


def render(run: RunFolder) -> str:
    """The HTML of the report."""
    results, expertise = run.read_results(), run.expertise
    dataset = _dataset(run)
    epochs, head = run.read_history(), run.read_head()
    main_movements = [(movements(artist) or ("",))[0] for artist in expertise.artists]
    tested = read_paintings(run, "test")
    mistakes, hesitations = _galleries(run, dataset, tested, expertise)
    return (
        environment()
        .get_template("report.html")
        .render(
            name=run.name,
            run_dir=run.path,
            results=results,
            head=head,
            metrics=METRICS,
            expertise=expertise,
            movements=main_movements,
            majority=expertise.labels[max(range(len(expertise.labels)), key=expertise.training_paintings.__getitem__)],
            about=run.read_about(),
            epochs=epochs,
            command=run.command.read_text(encoding="utf-8"),
            card=_card(run, dataset) if dataset else None,
            leaks=leaks.check(run, dataset) if dataset else None,
            mistakes=mistakes,
            hesitations=hesitations,
            small=plots.SMALL_SUPPORT,
            most_turned_away=TURNED_AWAY,
            curves=[
                plots.learning_curve(epochs, "loss", "loss"),
                plots.learning_curve(epochs, "top1", "top-1 per crop"),
            ],
            matrix=plots.confusion_matrix(results["confusion"], expertise.labels, main_movements),
            reliability=plots.reliability_diagram(results["calibration"]),
            whisker=plots.whisker,
            growth=plots.growth_curve(head["growth"]) if head else None,
        )
    )


def _dataset(run: RunFolder) -> Dataset | None:
    """The run's dataset, None where its folder is gone. Raises RunError where another one lies there now."""
    if not (files.is_remote(run.dataset_dir) or Path(run.dataset_dir).exists()):
        return None
    dataset = Dataset.open(run.dataset_dir)
    run.check_dataset(dataset)
    return dataset


def _card(run: RunFolder, dataset: Dataset) -> str | None:
    card = Path(dataset.path(CARD_FILE))
    return quote(os.path.relpath(card, run.path)) if card.exists() else None


def _galleries(
    run: RunFolder, dataset: Dataset | None, tested: Paintings, expertise: Expertise
) -> tuple[list[Exhibit], list[Exhibit]]:
    mistakes, hesitations = choose(tested, expertise)
    wanted = {choice.painting_id for choice in (*mistakes, *hesitations)}
    crops = _crops(run, wanted)
    seen = (
        likenesses(dataset, "test", wanted, expertise.max_pixels) if dataset else {name: Likeness() for name in wanted}
    )

    regions = _regions(run, dataset, [name for name in wanted if seen[name].whole], expertise) if dataset else {}

    def draw(choices: list[Choice]) -> list[Exhibit]:
        return [
            exhibit(
                choice,
                crops[choice.painting_id],
                seen[choice.painting_id],
                expertise.labels,
                regions.get(choice.painting_id, ()),
            )
            for choice in choices
        ]

    return draw(mistakes), draw(hesitations)


def _regions(
    run: RunFolder, dataset: Dataset, wanted: Collection[str], expertise: Expertise
) -> dict[str, list[Region]]:
    """What the parts of some test paintings say, as far as their records show them; nothing of a foreign network."""
    from trainer.data.evaluation import evaluation_batches
    from trainer.judging.activation import ActivationMaps

    model = load_network(run.best)
    try:
        maps = ActivationMaps(model)
    except RunError:
        return {}
    found: dict[str, list[Region]] = defaultdict(list)
    for batch in evaluation_batches(dataset, "test", _BATCH, model.input_shape[1]):
        names = [name.decode("ascii") for name in batch["painting_id"]]
        rows = [row for row, name in enumerate(names) if name in wanted]
        if rows:
            said = maps.regions(batch["image"][rows], batch["crop_box"][rows], expertise.temperature)
            for row, regions in zip(rows, said, strict=True):
                found[names[row]] += regions
    return found


def _crops(run: RunFolder, wanted: Collection[str]) -> dict[str, list[dict[str, Any]]]:
    """The predictions of some test paintings, crop by crop."""
    found = defaultdict(list)
    for batch in read_predictions(run, "test"):
        for row, name in enumerate(batch["painting_id"]):
            if name in wanted:
                found[name].append({key: values[row] for key, values in batch.items()})
    return {name: sorted(crops, key=lambda crop: crop["crop_index"]) for name, crops in found.items()}
