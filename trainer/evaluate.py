"""python -m trainer.evaluate --run_dir=RUN: how good is the saved model, crop by crop and painting by painting?

`evaluate_run` streams every record of every split through `best.keras` once and writes results.json,
predictions.parquet, expertise.json and references.parquet into the run's folder.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.dataset.contract import SPLITS, Contract
from pipeline.dataset.dataset import Dataset
from pipeline.terminal.command import command
from pipeline.terminal.streams import say
from trainer.errors import RunError
from trainer.judging import calibration, scores
from trainer.judging.confusion import confusion
from trainer.judging.predictions import Predictions
from trainer.judging.references import ReferenceWriter
from trainer.judging.voting import Paintings, gather
from trainer.run.expertise import Expertise
from trainer.run.folder import RunFolder

if TYPE_CHECKING:
    import keras

BATCH_SIZE = 256


def load_model(run: RunFolder) -> keras.Model:
    """The run's best model: uint8[batch, size, size, 3] in; {"scores", "embedding"}, both float32, out."""
    import keras

    if not run.best.exists():
        raise RunError(
            f"Expected {run.best.name} in {run}: that is no run, or one that has not finished its first epoch."
        )
    model = keras.models.load_model(run.best, compile=False)
    return keras.Model(model.inputs, {"scores": model.output, "embedding": model.get_layer("embedding").output})


def predicted(model: keras.Model, batches: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Adds scores float32[batch, artists] and embedding float32[batch, features] to parsed batches, as numpy arrays.

    Args:
      model: of `load_model`.
      batches: of `records.parse_batch`; their pictures are dropped.
    """
    for batch in batches:
        out = model.predict_on_batch(np.asarray(batch["image"]))
        kept: dict[str, Any] = {name: np.asarray(value) for name, value in batch.items() if name != "image"}
        kept["painting_id"] = [name.decode("ascii") for name in kept["painting_id"]]
        yield {**kept, **out}


def evaluate_run(run: RunFolder, dataset: Dataset, batch_size: int, throughput: dict[str, Any]) -> dict[str, Any]:
    """Judges a run's best model on every split and writes what comes of it into the run's folder.

    Args:
      run: with best.keras, labels.json and flags.json.
      dataset: the dataset the run was trained on.
      batch_size: crops per step.
      throughput: copied into the results: at least examples_per_second and data_wait_fraction of training.

    Returns:
      What results.json then holds. Every fraction is in 0..1; "interval"s are 95% bootstrap intervals over paintings.

    Raises:
      RunError, DatasetError: the folders are not what they should be, or do not belong together.
    """
    contract = dataset.contract
    run.check_dataset(dataset)
    model = load_model(run)
    splits = {}
    with Predictions(run, len(contract.labels)) as predictions:
        for split in SPLITS:
            batches = predictions.keep(split, _batches(model, dataset, split, batch_size))
            if split == "train":
                rows = dataset.paintings("painting_id", "path", split=split)
                paths = {row["painting_id"]: row["path"] for row in rows}
                with ReferenceWriter(run, model.output["embedding"].shape[-1], paths) as references:
                    splits[split] = gather(batches, dataset.crops(split), references.add)
            else:
                splits[split] = gather(batches, dataset.crops(split))
    expertise = learn(splits["train"], splits["validation"], contract)
    run.write_expertise(expertise)
    results = {
        **summarise(splits, expertise),
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


def evaluate_split(run: RunFolder, dataset: Dataset, split: str, batch_size: int) -> dict[str, Any]:
    """The numbers of one split, computed again from the saved model; nothing is written."""
    run.check_dataset(dataset)
    expertise = run.expertise
    paintings = gather(_batches(load_model(run), dataset, split, batch_size), dataset.crops(split))
    return {
        split: scores.split_scores(paintings, expertise.labels),
        "baselines": scores.baselines(expertise.training_paintings, paintings.labels),
    }


def learn(train: Paintings, validation: Paintings, contract: Contract) -> Expertise:
    """What the training and validation paintings teach about the model: its temperature and when it is unsure."""
    means = validation.scores["mean"]
    temperature = calibration.fit_temperature(means, validation.labels)
    probabilities = calibration.calibrated(means, temperature)
    right = scores.Tally.of_paintings(validation).top1 > 0
    return Expertise(
        artists=contract.artists,
        training_paintings=tuple(np.bincount(train.labels, minlength=len(contract.artists)).tolist()),
        scheme=contract.scheme,
        seed=contract.seed,
        encoding=contract.encoding,
        temperature=temperature,
        threshold=calibration.unsure_threshold(probabilities.max(axis=1), right),
        fingerprint=contract.fingerprint,
    )


def summarise(splits: dict[str, Paintings], expertise: Expertise) -> dict[str, Any]:
    """The numbers of `results.json` that follow from attributed paintings. Pure: no file, no clock, fixed seeds."""
    test = splits["test"]
    means = test.scores["mean"]
    return {
        **{split: scores.split_scores(paintings, expertise.labels) for split, paintings in splits.items()},
        "baselines": scores.baselines(expertise.training_paintings, test.labels),
        "calibration": {
            "temperature": expertise.temperature,
            "threshold": expertise.threshold,
            "rule": calibration.UNSURE_RULE,
            **calibration.judge(means, test.labels, expertise.temperature, expertise.threshold),
        },
        "confusion": confusion(test.labels, means.argmax(axis=1), expertise.artists),
    }


def table(results: dict[str, Any], split: str) -> str:
    """The numbers of a split, to read in a terminal."""
    painting, crop, baseline = results[split]["painting"], results[split]["crop"], results["baselines"]
    lines = [
        f"{split}: {painting['count']} paintings, {crop['count']} crops; 95% bootstrap intervals over paintings",
        f"{'':<20}{'per painting':<28}{'per crop':<28}",
    ]
    for name in scores.HEADLINE:
        cells = (_estimate(of[name], of["intervals"][name]) for of in (painting, crop))
        lines.append(f"{name:<20}" + "".join(f"{cell:<28}" for cell in cells).rstrip())
    lines += [f"{name:<20}{value:.3f}" for name, value in baseline.items()]
    lines += ["", f"{'artist':<32}{'support':>8}  {'precision':<28}{'recall':<28}{'f1':<28}".rstrip()]
    for row in results[split]["artists"]:
        cells = (_estimate(row[name], row["intervals"][name]) for name in scores.PER_ARTIST)
        lines.append(f"{row['artist']:<32}{row['support']:>8}  " + "".join(f"{cell:<28}" for cell in cells).rstrip())
    return "\n".join(lines)


def _estimate(value: float | None, interval: list[float] | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" + (f" [{interval[0]:.3f}, {interval[1]:.3f}]" if interval else "")


def _batches(model: keras.Model, dataset: Dataset, split: str, batch_size: int) -> Iterator[dict[str, Any]]:
    from trainer.data.stream import damage_named, evaluation_batches

    with damage_named(dataset, split):
        yield from predicted(model, evaluation_batches(dataset, split, batch_size).as_numpy_iterator())


def _throughput(run: RunFolder) -> dict[str, Any]:
    """What the run's results say of its speed, or the last epoch's where it has no results yet."""
    if run.results.exists():
        return dict(run.read_results()["throughput"])
    epochs = run.read_history()
    if not epochs:
        raise RunError(f"Expected a trained run in {run}: no epoch of it is finished.")
    return {name: epochs[-1][name] for name in ("examples_per_second", "data_wait_fraction")}


@command()
def main(argv: list[str] | None = None) -> None:
    """The command line."""
    from absl import app, flags

    from trainer.report import write_report

    flags.DEFINE_string("run_dir", None, "The run to judge.", required=True)
    flags.DEFINE_string("dataset_dir", None, "The run's dataset, if its folder has moved since.")
    flags.DEFINE_enum(
        "split",
        None,
        SPLITS,
        "Only print the numbers of this split. Without it all are judged, and results and report written.",
    )
    flags.DEFINE_integer("batch_size", BATCH_SIZE, "Crops per step; less where memory is short.", lower_bound=1)

    def judge(_: list[str]) -> None:
        run = RunFolder(flags.FLAGS.run_dir)
        dataset = Dataset.open(flags.FLAGS.dataset_dir or run.dataset_dir)
        if flags.FLAGS.split:
            results = evaluate_split(run, dataset, flags.FLAGS.split, flags.FLAGS.batch_size)
        else:
            results = evaluate_run(run, dataset, flags.FLAGS.batch_size, _throughput(run))
            write_report(run)
        say(table(results, flags.FLAGS.split or "test"))

    app.run(judge, argv)


if __name__ == "__main__":
    sys.exit(main())
