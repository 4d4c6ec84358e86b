"""Everything a run holds, put together; and all of it that a checkpoint keeps, saved and restored."""

from __future__ import annotations

import contextlib
import logging
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from pipeline.dataset.contract import Contract
from pipeline.dataset.dataset import Dataset
from pipeline.errors import DatasetError, InputError
from pipeline.storage import files
from pipeline.terminal.streams import say
from trainer.config import Config, differences
from trainer.data.evaluation import count_classes
from trainer.data.requirements import check_dataset
from trainer.data.stream import Stream, Waits
from trainer.heads.embeddings import READ, embed
from trainer.heads.fit import choose_strength, gather_means, top1_of
from trainer.network import models
from trainer.run.folder import RunFolder
from trainer.training import checkpoint, devices, objective, preflight
from trainer.training.counters import Counters
from trainer.training.steps import Care, Steps


@dataclass(slots=True)
class Run:
    """What a run holds while it trains. What must survive a kill is in `progress` and `variables`.

    Attributes:
      config, folder: what to do, and the run's folder.
      place: devices.
      stream: training batches.
      design, network: of the model that is trained.
      average: its moving average; None where none is kept.
      optimizer, schedule, steps: how it is trained.
      started_with: what a checkpoint must agree with to be continued.
      progress: the counters.
      waits: what the epoch has waited for.
      saved_at: of the last checkpoint, on the monotonic clock.
    """

    config: Config
    folder: RunFolder
    place: devices.Place
    stream: Stream
    design: models.Design
    network: models.Network
    average: models.Network | None
    optimizer: keras.optimizers.Optimizer
    schedule: objective.Schedule
    steps: Steps
    started_with: dict[str, Any]
    progress: Counters = field(default_factory=Counters)
    waits: Waits = field(default_factory=Waits)
    saved_at: float = field(default_factory=time.monotonic)

    @property
    def judged(self) -> keras.Model:
        """The model that is validated and saved: the moving average, where there is one."""
        return (self.average or self.network).model

    def variables(self) -> Iterator[tuple[str, keras.Variable]]:
        """Every variable a checkpoint keeps, by a name that is unique in the run."""
        groups = {
            "model": self.network.model.variables,  # with the states of the generators that dropout draws from
            "average": self.average.model.weights if self.average else [],
            "optimizer": self.optimizer.variables,
        }
        for group, variables in groups.items():
            for number, variable in enumerate(variables):
                yield f"{group}-{number:04d}", variable


def assemble(config: Config, folder: RunFolder, dataset: Dataset) -> Run:
    """Builds everything, with the weights a new run starts from.

    Raises:
      MorelliError: the dataset, the devices or the flags do not go together, or memory will not do.
    """
    devices.seed_everything(config.seed, config.deterministic)
    place = devices.find_place(config.strategy, config.batch_size)
    stream = _stream(config, folder, dataset, place)
    contract = dataset.contract
    precision = devices.resolve_precision(config.precision)
    design = design_of(config, contract)
    updates = math.ceil(stream.steps_per_epoch / config.accumulate_steps)
    schedule = objective.Schedule(
        config.learning_rate, round(config.warmup * updates), config.epochs * updates, config.schedule == "cosine"
    )
    with place.strategy.scope():
        network = models.build(design, precision)
        if config.weights != "none" and checkpoint.newest_path(folder.checkpoints) is None:
            models.load_backbone(network, config.backbone, config.weights)
            if config.train == "head_then_all":
                _fit_head(config, dataset, design, network)
        average = models.build(design, precision) if config.ema else None
        if average:
            average.model.set_weights(network.model.get_weights())
        optimizer = objective.optimizer(
            config.optimizer,
            schedule,
            config.weight_decay,
            config.clip_norm / place.replicas,  # see Steps: Keras clips what it has yet to sum
            network.model.trainable_variables,
            loss_scaling=precision == "mixed_float16",
        )
        steps = Steps(
            place,
            network,
            average,
            config.ema,
            objective.objective(config.class_balance, config.label_smoothing, _class_totals(config, folder, stream)),
            config.l2,
            optimizer,
            config.accumulate_steps,
            config.jit,
            Care(config.thaw, config.backbone_rate, at_rest=config.train == "head_then_all"),
            config.augment,
        )
    run = Run(
        config=config,
        folder=folder,
        place=place,
        stream=stream,
        design=design,
        network=network,
        average=average,
        optimizer=optimizer,
        schedule=schedule,
        steps=steps,
        started_with={**config.identity(), "dataset fingerprint": contract.fingerprint, "precision": precision},
    )
    _preflight(run)
    return run


def _fit_head(config: Config, dataset: Dataset, design: models.Design, network: models.Network) -> None:
    """Gives the network the head that `--train=head` would end with."""
    embeddings, _ = embed(dataset, design, network, config.batch_size)
    train, validation = (gather_means(embeddings.batches(split, READ)) for split in ("train", "validation"))
    head, strength, _ = choose_strength(train, validation, design.classes, config.class_balance)
    network.model.get_layer("logits").set_weights(list(head))
    say(
        f"head fitted to {len(train.ids)} paintings, strength {strength:g}: validation paintings "
        f"{top1_of(head, validation):.3f}; now all of it is trained"
    )


def design_of(config: Config, contract: Contract) -> models.Design:
    """The network that the flags ask for, for the pictures and artists of a dataset.

    Pictures are shrunk before they are handed over, and enlarged after it: less is to be copied.
    """
    size = contract.scheme.size
    input_size = config.input_size or size
    return models.Design(
        backbone=config.backbone,
        picture_size=min(size, input_size),
        input_size=input_size,
        classes=len(contract.labels),
        dropout=config.dropout,
        grayscale=config.grayscale,
        stages=config.features == "stages",
    )


def save(run: Run) -> Path:
    """Writes a checkpoint of the run as it is now (the chief does; the path is the same for all)."""
    run.saved_at = time.monotonic()
    step = run.progress.step
    if run.place.is_chief:
        arrays = {name: np.asarray(variable.numpy()) for name, variable in run.variables()}
        state = {"started_with": run.started_with, "progress": run.progress.to_state()}
        checkpoint.write(run.folder.checkpoints, step, arrays, state, run.config.keep)
    return checkpoint.path_of(run.folder.checkpoints, step)


def restore(run: Run) -> bool:
    """Goes back to the newest checkpoint that can be read; False where there is none.

    Raises:
      CheckpointError: it was written with other flags or another dataset, or none of several can be read.
    """
    found = checkpoint.newest(run.folder.checkpoints)
    if found is None:
        return False
    changed = differences(found.state["started_with"], run.started_with)
    if changed:
        raise checkpoint.CheckpointError(
            f"{found.path} was written by a run that cannot be continued with these flags: {'; '.join(changed)}. "
            f"Pass the old values (--flagfile={run.folder.command}), or another --run_dir to start anew."
        )
    expected = {name: tuple(variable.shape) for name, variable in run.variables()}
    if expected != {name: array.shape for name, array in found.arrays.items()}:
        raise checkpoint.CheckpointError(
            f"{found.path} holds other variables than this version builds. Start anew with another --run_dir."
        )
    for name, variable in run.variables():
        variable.assign(found.arrays[name])
    run.progress = Counters.from_state(found.state["progress"])
    return True


def _stream(config: Config, folder: RunFolder, dataset: Dataset, place: devices.Place) -> Stream:
    check_dataset(dataset)
    stream = Stream(
        dataset=dataset,
        batch_size=config.batch_size,
        shuffle_mib=config.shuffle_mib,
        seed=config.seed,
        side=design_of(config, dataset.contract).picture_size,
        resized_crop=config.random_resized_crop,
        class_counts=_class_counts(folder, dataset) if config.class_balance == "sampling" else None,
        worker=place.worker,
        workers=place.workers,
    )
    part = config.batch_size // place.replicas
    if config.augment == "strong" and place.replicas > 1 and part % 2:
        raise InputError(
            f"--augment=strong mixes pictures by pairs, and --batch_size={config.batch_size} gives each of "
            f"{place.replicas} devices {part} of them: pass a multiple of {2 * place.replicas}."
        )
    if not stream.steps_per_epoch:
        raise DatasetError(
            f"--batch_size={config.batch_size} is more than the {dataset.contract.records('train')} training records "
            f"of {dataset.folder}. Lower it."
        )
    return stream


def _class_totals(config: Config, folder: RunFolder, stream: Stream) -> np.ndarray | None:
    """int64[classes] training records, where the objective needs them."""
    if config.class_balance not in ("weights", "logit_adjust"):
        return None
    totals: np.ndarray = _class_counts(folder, stream.dataset).sum(axis=0)
    return totals


def _class_counts(folder: RunFolder, dataset: Dataset) -> np.ndarray:
    """`evaluation.count_classes`, counted once: a resumed run must not read the dataset before its first step."""
    path = folder.class_counts(dataset.contract)
    with contextlib.suppress(OSError, ValueError, EOFError):
        held: np.ndarray = np.load(path)
        return held
    counts = count_classes(dataset)
    with files.stream(path) as stream:
        np.save(stream, counts)
    return counts


def _preflight(run: Run) -> None:
    wanted = preflight.estimate(
        run.stream,
        run.network,
        slots=sum(4 * math.prod(variable.shape) for variable in run.optimizer.variables),
        averaged=run.average is not None,
        accumulated=run.config.accumulate_steps > 1,
        replicas=run.place.replicas,
        half=run.started_with["precision"] != "float32",
    )
    warning = preflight.check(wanted, preflight.available_host(), preflight.available_device())
    if warning:
        logging.warning(warning)
