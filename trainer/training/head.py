"""--train=head: the backbone as it was loaded, every record embedded once, and the last layer fitted to that.

It leaves what `loop.train` leaves, but for checkpoints: who is stopped resumes at the first shard that is not embedded.
"""

from __future__ import annotations

import time
from typing import Any

from pipeline.dataset.contract import SPLITS
from pipeline.dataset.dataset import Dataset
from pipeline.terminal.progress import Progress
from pipeline.terminal.streams import say
from trainer.config import Config, differences
from trainer.errors import RunError
from trainer.heads import study
from trainer.heads.embeddings import READ, Embeddings, embed
from trainer.heads.fit import choose_strength, gather_means, joined
from trainer.judging.evaluation import Source
from trainer.network import models
from trainer.run import curves
from trainer.run.folder import RunFolder
from trainer.training import devices
from trainer.training.about import versions
from trainer.training.line import peak_rss_mib
from trainer.training.run import design_of


def train_head(config: Config, folder: RunFolder, dataset: Dataset) -> tuple[dict[str, float], Source]:
    """Embeds what is not embedded yet, fits the head, and writes the network and what more heads found (head.json).

    Returns:
      The throughput, as `counters.throughput` gives it, and the scores of every record, for `evaluate_run`.

    Raises:
      RunError: the folder holds a run of other flags.
      MorelliError: something else that the user can put right.
    """
    _refuse_others(config, folder)
    started = time.perf_counter()
    folder.write_command(config)
    folder.write_labels(dataset.contract)
    network, embeddings, speed = embedded(config, dataset)
    train, validation, test = (gather_means(embeddings.batches(split, READ)) for split in SPLITS)
    artists = dataset.contract.labels
    head, strength, tried = choose_strength(train, validation, len(artists), config.class_balance)
    network.model.get_layer("logits").set_weights(list(head))
    for path in (folder.best, folder.last):
        models.save(network.model, design_of(config, dataset.contract), path)
    folder.write_about(
        dataset,
        parameters=network.model.count_params(),
        precision=devices.resolve_precision(config.precision),
        devices=devices.names(),
        versions=versions(),
    )
    seen = next(line for line in tried if line["strength"] == strength)
    line = _epoch(seen, speed, time.perf_counter() - started)
    folder.write_history([line])
    curves.draw([line], folder.curves)
    say(
        f"head fitted to {len(train.ids)} paintings, strength {strength:g}: validation loss "
        f"{seen['validation_loss']:.3f}, paintings {seen['validation_top1']:.3f}; embeddings: {embeddings.folder}"
    )
    works = {name: work for split in SPLITS for name, work in dataset.works(split).items()}
    with Progress("studying", 2, "question", stays=False) as progress:
        left_out = study.leave_artists_out(train, validation, test, artists, config.class_balance, strength)
        progress.add(1)
        judged = joined(validation, test)
        growth = study.grow(train, judged, works, artists, config.class_balance, strength, config.seed)
        progress.add(1)
    found = {"strength": strength, "tried": tried, "growth": growth, "gaining": study.would_gain(growth, artists)}
    folder.write_head({**found, **({"strangers": left_out} if left_out else {})})
    throughput = {**speed, "seconds": line["seconds"], "peak_rss_mib": line["peak_rss_mib"]}
    return throughput, Source(embeddings.features, lambda split: study.score(embeddings, [head], split, {}))


def embedded(config: Config, dataset: Dataset) -> tuple[models.Network, Embeddings, dict[str, float]]:
    """The network with the backbone's weights, the embeddings of all records, and how fast the missing were made."""
    devices.seed_everything(config.seed, config.deterministic)
    design = design_of(config, dataset.contract)
    network = models.build(design, devices.resolve_precision(config.precision))
    models.load_backbone(network, config.backbone, config.weights)
    return network, *embed(dataset, design, network, config.batch_size)


def cross_validate(folder: RunFolder, dataset: Dataset, folds: int) -> dict[str, Any]:
    """`study.cross_validate` of a finished run, written into head.json.

    Raises:
      RunError: the run's head was not fitted to embeddings.
    """
    folder.check_dataset(dataset)
    config = Config(**folder.read_flags())
    if config.train != "head":
        raise RunError(
            f"--folds fits heads to embeddings, but {folder} was trained whole: every fold would take as long as the "
            "run. Train one with --train=head."
        )
    _, embeddings, _ = embedded(config, dataset)
    strength = folder.read_head()["strength"]
    found = study.cross_validate(
        embeddings, dataset.contract.labels, config.class_balance, strength, folds, config.seed
    )
    folder.write_head({"folds": found})
    return found


def _refuse_others(config: Config, folder: RunFolder) -> None:
    if not folder.flags.is_file():
        return
    changed = differences(folder.read_flags(), config.identity())
    if changed:
        raise RunError(
            f"{folder} holds a run of other flags: {'; '.join(changed)}. Pass the old values "
            f"(--flagfile={folder.command}), or another --run_dir to start anew."
        )


def _epoch(seen: dict[str, float], speed: dict[str, float], seconds: float) -> dict[str, Any]:
    """The one line of metrics.jsonl: of paintings, as the head was fitted to them."""
    return {
        "epoch": 1,
        "step": 1,
        "train_loss": seen["train_loss"],
        "train_top1": seen["train_top1"],
        "validation_loss": seen["validation_loss"],
        "validation_top1": seen["validation_top1"],
        "validation_painting_top1": seen["validation_top1"],
        "examples_per_second": speed["examples_per_second"],
        "data_wait_fraction": speed["data_wait_fraction"],
        "seconds": seconds,
        "peak_rss_mib": peak_rss_mib(),
    }
