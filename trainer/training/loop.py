"""The loop: epochs of steps, validation after each, checkpoints along the way, and on from where it stopped.

`train` leaves best.keras, last.keras, labels.json, run.json, metrics.jsonl, learning_curves.png, tensorboard/ and
checkpoints/ in the run's folder.
"""

from __future__ import annotations

import logging
import math
import signal
import time
from collections.abc import Iterator
from typing import Any

from pipeline.dataset.dataset import Dataset
from pipeline.terminal.progress import Progress
from pipeline.terminal.streams import say
from trainer.config import Config
from trainer.data.evaluation import damage_named, evaluation_batches
from trainer.data.stream import training_batches
from trainer.errors import InterruptedRunError, NotFiniteError
from trainer.judging import scores
from trainer.judging.voting import gather
from trainer.network import models
from trainer.run import curves
from trainer.run.folder import RunFolder
from trainer.training import checkpoint, devices, objective
from trainer.training.about import versions
from trainer.training.counters import throughput
from trainer.training.events import write_events
from trainer.training.interrupts import Interrupts
from trainer.training.line import PLAIN_SECONDS, epoch_line, input_bound, peak_rss_mib, show
from trainer.training.run import Run, assemble, restore, save


def train(config: Config, folder: RunFolder, dataset: Dataset) -> tuple[dict[str, float], bool]:
    """Trains, or resumes training.

    Args:
      config: what to do.
      folder: of the run; exists.
      dataset: to train on.

    Returns:
      The throughput (`progress.throughput`), and whether this process is the one that writes files.

    Raises:
      InterruptedRunError: after SIGTERM or SIGINT, once the state is safe on disk.
      NotFiniteError: the loss became NaN or infinite.
      MorelliError: something else that the user can put right.
    """
    run = assemble(config, folder, dataset)
    if restore(run):
        at = run.progress
        say(f"Resuming from step {at.step}: epoch {at.epoch + 1}, batch {at.batch}.")
    if run.place.is_chief:
        folder.write_command(config)
        folder.write_labels(dataset.contract)
        folder.write_about(
            dataset,
            parameters=run.judged.count_params(),
            precision=run.started_with["precision"],
            devices=devices.names(),
            versions=versions(),
        )
    with Interrupts() as interrupts:
        batches = _batches(run)
        while run.progress.epoch < config.epochs and not _is_stale(run):
            _train_epoch(run, batches, interrupts)
            _finish_epoch(run, interrupts)
    if run.place.is_chief:
        models.save(run.judged, run.design, folder.last)
        curves.draw(run.progress.history, folder.curves)
    return throughput(run.progress.history), run.place.is_chief


def _is_stale(run: Run) -> bool:
    return 0 < run.config.early_stop <= run.progress.stale


def _batches(run: Run) -> Iterator[Any]:
    """All that the run has not seen yet; the next epoch's are read while an epoch is validated."""
    at = run.progress
    epochs = run.config.epochs - at.epoch
    return training_batches(run.stream, at.epoch, at.batch, epochs, run.place.deliver, run.waits)


def _train_epoch(run: Run, batches: Iterator[Any], interrupts: Interrupts) -> None:
    """Takes the batches of the epoch that are left."""
    config, at = run.config, run.progress
    total = run.stream.steps_per_epoch
    frozen = at.epoch < config.freeze_epochs
    line = Progress(
        f"epoch {at.epoch + 1}/{config.epochs}",
        total,
        "step",
        done=at.batch,
        every=PLAIN_SECONDS,
        stays=False,
        quiet=not run.place.is_chief,
    )
    with line, damage_named(run.stream.dataset, "train"):
        while at.batch < total:
            started = time.perf_counter()
            batch = next(batches)
            waited = time.perf_counter() - started
            gathered = at.batch % config.accumulate_steps + 1
            update = gathered == config.accumulate_steps or at.batch + 1 == total
            compiles = run.steps.compiles(frozen, update)
            asked = (_is_due(run), bool(interrupts.signal))
            result = run.steps.train(batch, asked, frozen, gathered, update)
            if not math.isfinite(result.loss):
                raise _not_finite(run)
            at.batch += 1
            at.step += 1
            at.loss += result.loss
            at.hits += result.hits
            at.examples += result.examples
            if not compiles:
                at.timed += result.examples
                at.waited += waited
                at.seconds += time.perf_counter() - started
            show(line, at)
            if update and result.stop_asked:
                _stop(run, interrupts)
            if update and result.save_asked:
                save(run)


def _is_due(run: Run) -> bool:
    """Whether the step about to be taken should be followed by a checkpoint."""
    every = run.config.checkpoint_steps
    if every is not None:
        # Counted in updates' last batches, as only between updates there is nothing half-done to save.
        return (run.progress.step + 1) % every < run.config.accumulate_steps
    return time.monotonic() - run.saved_at >= run.config.checkpoint_seconds


def _stop(run: Run, interrupts: Interrupts) -> None:
    path = save(run)
    raise InterruptedRunError(run.progress.step, path, interrupts.signal or signal.SIGTERM)


def _not_finite(run: Run) -> NotFiniteError:
    at = run.progress
    return NotFiniteError(at.step + 1, at.epoch + 1, at.batch + 1, checkpoint.newest_path(run.folder.checkpoints))


def _finish_epoch(run: Run, interrupts: Interrupts) -> None:
    """Validates, remembers the best, writes down what was seen, and saves the state."""
    config, at = run.config, run.progress
    names = ("loss", "top1", "top5", "painting_loss", "painting_top1", "macro_f1")
    found = _validate(run, interrupts) if run.place.is_chief else {}
    stopped, *values = run.steps.agree([float(not found), *(found.get(name, 0.0) for name in names)])
    if stopped:
        _stop(run, interrupts)
    validation = dict(zip(names, values, strict=True))
    line: dict[str, Any] = {
        "epoch": at.epoch + 1,
        "step": at.step,
        "train_loss": at.train_loss,
        "train_top1": at.train_top1,
        **{f"validation_{name}": value for name, value in validation.items()},
        "learning_rate": float(run.schedule(objective.updates(run.optimizer).value)),
        **at.speed(),
        "seconds": at.seconds,
        "peak_rss_mib": peak_rss_mib(),
    }
    rank = [validation["painting_top1"], -validation["painting_loss"]]
    better = not at.best or rank > at.best["rank"]
    if better and run.place.is_chief:
        models.save(run.judged, run.design, run.folder.best)
    at.best = {"epoch": line["epoch"], "rank": rank} if better else at.best
    at.stale = 0 if better else at.stale + 1
    at.history.append(line)
    at.next_epoch()
    save(run)
    if run.place.is_chief:
        run.folder.write_history(at.history)
        write_events(run.folder.tensorboard, line)
        say(epoch_line(line, config.epochs))
        hint = input_bound(line["data_wait_fraction"], run.waits, run.stream, config.shuffle_mib)
        if hint:
            logging.warning(hint)
    run.waits.reading = run.waits.making = 0.0


def _validate(run: Run, interrupts: Interrupts) -> dict[str, float]:
    """Scores of the validation split, per crop and per painting; empty where the run was asked to stop meanwhile."""
    dataset = run.stream.dataset

    def scored() -> Iterator[dict[str, Any]]:
        for batch in evaluation_batches(dataset, "validation", run.config.batch_size, run.design.picture_size):
            if interrupts.signal:
                raise _AskedToStopError
            yield {
                "painting_id": [name.decode("ascii") for name in batch["painting_id"]],
                "label": batch["label"],
                "scores": run.steps.scores(batch["image"]).numpy(),
            }

    try:
        with damage_named(dataset, "validation"):
            paintings = gather(scored(), dataset.crops("validation"), works=dataset.works("validation"))
    except _AskedToStopError:
        return {}
    crop, painting = (
        tally.point() for tally in (scores.Tally.of_crops(paintings), scores.Tally.of_paintings(paintings))
    )
    return {
        **{name: float(crop[name]) for name in ("loss", "top1", "top5")},
        "painting_loss": float(painting["loss"]),
        "painting_top1": float(painting["top1"]),
        "macro_f1": float(painting["macro_f1"]),
    }


class _AskedToStopError(Exception):
    """Leaves a validation that is under way."""
