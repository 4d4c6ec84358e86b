"""--train=head: the backbone as it was loaded, every record embedded once, and the last layer fitted to that.

It leaves what `loop.train` leaves, but for checkpoints: who is stopped resumes at the first shard that is not embedded.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.special import softmax

from pipeline.dataset.dataset import Dataset
from pipeline.terminal.streams import say
from trainer.config import Config, differences
from trainer.errors import RunError
from trainer.heads.embeddings import Embeddings, embed
from trainer.heads.fit import Head, choose_strength, gather_means
from trainer.judging.evaluation import Source
from trainer.network import models
from trainer.run import curves
from trainer.run.folder import RunFolder
from trainer.training import devices
from trainer.training.about import versions
from trainer.training.line import peak_rss_mib
from trainer.training.run import design_of

BATCH_SIZE = 1024  # embeddings read at once


def train_head(config: Config, folder: RunFolder, dataset: Dataset) -> tuple[dict[str, float], Source]:
    """Embeds what is not embedded yet, fits the head, and writes the network.

    Returns:
      The throughput, as `counters.throughput` gives it, and the scores of every record, for `evaluate_run`.

    Raises:
      RunError: the folder holds a run of other flags.
      MorelliError: something else that the user can put right.
    """
    _refuse_others(config, folder)
    started = time.perf_counter()
    devices.seed_everything(config.seed, config.deterministic)
    design = design_of(config, dataset.contract)
    precision = devices.resolve_precision(config.precision)
    network = models.build(design, precision)
    models.load_backbone(network, config.backbone, config.weights)
    folder.write_command(config)
    folder.write_labels(dataset.contract)
    embeddings, speed = embed(dataset, design, network, config.batch_size)
    train, validation = (gather_means(embeddings.batches(split, BATCH_SIZE)) for split in ("train", "validation"))
    head, strength, tried = choose_strength(train, validation, design.classes, config.class_balance)
    network.model.get_layer("logits").set_weights(list(head))
    for path in (folder.best, folder.last):
        models.save(network.model, design, path)
    folder.write_about(
        dataset,
        parameters=network.model.count_params(),
        precision=precision,
        devices=devices.names(),
        versions=versions(),
        head={"strength": strength, "tried": tried, "embeddings": str(embeddings.folder)},
    )
    seen = next(line for line in tried if line["strength"] == strength)
    line = _epoch(seen, speed, time.perf_counter() - started)
    folder.write_history([line])
    curves.draw([line], folder.curves)
    say(
        f"head fitted to {len(train.ids)} paintings, strength {strength:g}: validation loss "
        f"{seen['validation_loss']:.3f}, paintings {seen['validation_top1']:.3f}; embeddings: {embeddings.folder}"
    )
    throughput = {**speed, "seconds": line["seconds"], "peak_rss_mib": line["peak_rss_mib"]}
    return throughput, Source(embeddings.features, lambda split: score(embeddings, head, split))


def score(embeddings: Embeddings, head: Head, split: str) -> Iterator[dict[str, Any]]:
    """The batches of a split as `evaluation.predicted` gives them, without another pass through the network."""
    for batch in embeddings.batches(split, BATCH_SIZE):
        yield {
            **batch,
            "painting_id": [name.decode("ascii") for name in batch["painting_id"]],
            "scores": softmax(head.logits(batch["embedding"]), axis=1).astype(np.float32),
        }


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
