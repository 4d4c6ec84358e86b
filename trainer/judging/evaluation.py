"""How good is the saved model, crop by crop and painting by painting?

`evaluate_run` streams every record of every split through `best.keras` once and writes results.json,
predictions.parquet, expertise.json and references.parquet into the run's folder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pipeline.dataset.contract import SPLITS, Contract
from pipeline.dataset.dataset import Dataset
from pipeline.pictures.limits import DEFAULT_MAX_PIXELS
from trainer.data.requirements import check_dataset
from trainer.errors import RunError
from trainer.judging import calibration, photograph, scores, strangers
from trainer.judging.confusion import confusion
from trainer.judging.intervals import by_work, resampled_sums, share_interval
from trainer.judging.predictions import Predictions
from trainer.judging.references import ReferenceWriter
from trainer.judging.voting import Paintings, gather
from trainer.network.saved import load_network
from trainer.run.expertise import Expertise
from trainer.run.folder import RunFolder

if TYPE_CHECKING:
    import keras


def load_model(run: RunFolder) -> keras.Model:
    """The run's best model: uint8[batch, size, size, 3] in; {"scores", "embedding"}, both float32, out.

    Keras loads it in its safe mode, in which a file of somebody else can run nothing.

    Raises:
      RunError: there is none, or it is no model of this project.
    """
    import keras

    model = load_network(run.best)
    try:
        embedding = model.get_layer("embedding").output
    except ValueError as error:
        raise RunError(f"{run.best} has no layer named embedding: no trainer of this project wrote it.") from error
    return keras.Model(model.inputs, {"scores": model.output, "embedding": embedding})


def predicted(model: keras.Model, batches: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Adds scores float32[batch, artists] and embedding float32[batch, features] to parsed batches, as numpy arrays.

    Args:
      model: of `load_model`.
      batches: of `parse.parse_batch`; their pictures are dropped.
    """
    for batch in batches:
        out = model.predict_on_batch(np.asarray(batch["image"]))
        kept: dict[str, Any] = {name: np.asarray(value) for name, value in batch.items() if name != "image"}
        kept["painting_id"] = [name.decode("ascii") for name in kept["painting_id"]]
        yield {**kept, **out}


class Source(NamedTuple):
    """Where the scores of a run's records come from.

    Attributes:
      features: numbers of an embedding.
      batches: split -> batches as `predicted` gives them; every record of the split once.
    """

    features: int
    batches: Callable[[str], Iterator[dict[str, Any]]]


def by_model(run: RunFolder, dataset: Dataset, batch_size: int) -> Source:
    """Every record passes the run's best model, `batch_size` at once. Raises RunError where there is none."""
    run.check_dataset(dataset)
    check_dataset(dataset)
    model = load_model(run)
    return Source(
        model.output["embedding"].shape[-1],
        lambda split: _batches(model, dataset, split, batch_size),
    )


def evaluate_run(run: RunFolder, dataset: Dataset, source: Source, throughput: dict[str, Any]) -> dict[str, Any]:
    """Judges a run's best model on every split and writes what comes of it into the run's folder.

    Args:
      run: with best.keras, labels.json and flags.json.
      dataset: the dataset the run was trained on.
      source: what the model says of it.
      throughput: copied into the results: at least examples_per_second and data_wait_fraction of training.

    Returns:
      What results.json then holds. Every fraction is in 0..1; "interval"s are 95% bootstrap intervals over works.

    Raises:
      RunError, DatasetError: the folders are not what they should be, or do not belong together.
    """
    contract = dataset.contract
    splits = {}
    means = {split: _Means() for split in SPLITS}
    with Predictions(run, len(contract.labels)) as predictions:
        for split in SPLITS:
            works = dataset.works(split)
            batches = predictions.keep(split, works, source.batches(split))
            splits[split] = gather(batches, dataset.crops(split), means[split].add, works)
    paths = {row["painting_id"]: row["path"] for row in dataset.paintings("painting_id", "path", split="train")}
    with ReferenceWriter(run, source.features, paths) as references:
        means["train"].hand_on(references.add)
    expertise = learn(splits["train"], splits["validation"], contract)
    run.write_expertise(expertise)
    known = strangers.learn(
        means["train"].of(splits["train"]),
        splits["train"].labels,
        splits["validation"].scores["mean"],
        means["validation"].of(splits["validation"]),
    )
    strangers.write(run, known)
    results = {
        **summarise(splits, expertise),
        "photograph": photograph.judge(dataset),
        "strangers": _turned_away(known, splits["test"], means["test"].of(splits["test"])),
        "flags": run.read_flags(),
        "dataset": {
            "fingerprint": contract.fingerprint,
            "folder": dataset.folder,
            "scheme": contract.scheme.name,
            "artists": len(contract.labels),
            "paintings": {split: len(paintings.ids) for split, paintings in splits.items()},
            "records": {split: contract.records(split) for split in splits},
        },
        "throughput": throughput,
    }
    run.write_results(results)
    return results


class _Means:
    """The mean embeddings of paintings, by their ids; memory grows with paintings, as that of their scores does."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[int, np.ndarray]] = {}

    def add(self, painting_id: str, label: int, embedding: np.ndarray) -> None:
        """As `gather` calls it."""
        self._held[painting_id] = label, embedding

    def hand_on(self, add: Callable[[str, int, np.ndarray], None]) -> None:
        """Calls `add` with each, in the order that they came in."""
        for name, (label, embedding) in self._held.items():
            add(name, label, embedding)

    def of(self, paintings: Paintings) -> np.ndarray:
        """float32[n, features], in the order of the paintings."""
        return np.stack([self._held[name][1] for name in paintings.ids])


def _turned_away(known: strangers.KnownArtists, test: Paintings, means: np.ndarray) -> dict[str, Any]:
    """How many paintings of known artists are taken for those of others."""
    away = known.familiarity(test.scores["mean"], means) < known.threshold
    rows = by_work(away[:, None].astype(float), test.works)
    share = float(np.average(away, weights=test.weights))
    return {
        "threshold": float(known.threshold),
        "turned_away": share,
        "interval": share_interval(resampled_sums(rows)[:, 0] / rows.shape[0], share, rows.shape[0]),
    }


def evaluate_split(run: RunFolder, dataset: Dataset, split: str, batch_size: int) -> dict[str, Any]:
    """The numbers of one split, computed again from the saved model; nothing is written."""
    expertise = run.expertise
    batches = by_model(run, dataset, batch_size).batches(split)
    paintings = gather(batches, dataset.crops(split), works=dataset.works(split))
    return {
        split: scores.split_scores(paintings, expertise.labels),
        "baselines": scores.baselines(expertise.training_paintings, paintings.labels, paintings.weights),
    }


def learn(train: Paintings, validation: Paintings, contract: Contract) -> Expertise:
    """What the training and validation paintings teach about the model: its temperature and when it is unsure."""
    means = validation.scores["mean"]
    temperature = calibration.fit_temperature(means, validation.labels, validation.weights)
    probabilities = calibration.calibrated(means, temperature)
    right = scores.Tally.of_paintings(validation).top1 > 0
    max_pixels = contract.build.get("max_pixels")
    return Expertise(
        artists=contract.artists,
        training_paintings=tuple(np.bincount(train.labels, minlength=len(contract.artists)).tolist()),
        scheme=contract.scheme,
        seed=contract.seed,
        encoding=contract.encoding,
        temperature=temperature,
        threshold=calibration.unsure_threshold(probabilities.max(axis=1), right),
        fingerprint=contract.fingerprint,
        max_pixels=max_pixels if type(max_pixels) is int and max_pixels > 0 else DEFAULT_MAX_PIXELS,
        data_dir=contract.data_dir,
    )


def summarise(splits: dict[str, Paintings], expertise: Expertise) -> dict[str, Any]:
    """The numbers of `results.json` that follow from attributed paintings. Pure: no file, no clock, fixed seeds."""
    test = splits["test"]
    means = test.scores["mean"]
    return {
        **{split: scores.split_scores(paintings, expertise.labels) for split, paintings in splits.items()},
        "baselines": scores.baselines(expertise.training_paintings, test.labels, test.weights),
        "calibration": {
            "temperature": expertise.temperature,
            "threshold": expertise.threshold,
            "rule": calibration.UNSURE_RULE,
            **calibration.judge(means, test.labels, expertise.temperature, expertise.threshold, test.works),
        },
        "confusion": confusion(test.labels, means.argmax(axis=1), expertise.artists),
    }


def _batches(model: keras.Model, dataset: Dataset, split: str, batch_size: int) -> Iterator[dict[str, Any]]:
    from trainer.data.evaluation import damage_named, evaluation_batches

    with damage_named(dataset, split):
        yield from predicted(model, evaluation_batches(dataset, split, batch_size, model.input_shape[1]))
