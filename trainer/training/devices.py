"""Where a run computes: on which devices, in which precision, as one of how many workers."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from pipeline.errors import InputError


@dataclass(frozen=True, slots=True)
class Place:
    """The devices of a run.

    Attributes:
      strategy: TensorFlow's; the default one where nothing is distributed.
      worker, workers: which process this is, of how many.
      replicas: devices over all workers.
    """

    strategy: tf.distribute.Strategy
    worker: int
    workers: int
    replicas: int

    @property
    def is_chief(self) -> bool:
        """Whether this process writes files."""
        return self.worker == 0

    def deliver(self, batch: tuple[tf.Tensor, ...]) -> Any:
        """This worker's batch, cut for its devices and copied onto them."""
        if self.replicas > 1:
            devices = self.strategy.extended.worker_devices
            parts = zip(*(tf.split(tensor, len(devices)) for tensor in batch), strict=True)
            values = [_onto(device, part) for device, part in zip(devices, parts, strict=True)]
            first = self.worker * len(devices)
            return self.strategy.experimental_distribute_values_from_function(
                lambda context: values[context.replica_id_in_sync_group - first]
            )
        gpus = tf.config.list_logical_devices("GPU")
        return _onto(gpus[0].name, batch) if gpus else batch


def _onto(device: str, tensors: tuple[tf.Tensor, ...]) -> tuple[tf.Tensor, ...]:
    with tf.device(device):
        return tuple(map(tf.identity, tensors))


def find_place(strategy: str, batch_size: int) -> Place:
    """Sets up the devices for `--strategy`. Call it before any other operation of TensorFlow.

    Raises:
      InputError: TF_CONFIG is missing or unreadable, or the batch cannot be shared out evenly.
    """
    if strategy == "multiworker":
        place = _multiworker()
    elif strategy == "mirrored":
        mirrored = tf.distribute.MirroredStrategy()
        place = Place(mirrored, 0, 1, mirrored.num_replicas_in_sync)
    else:
        place = Place(tf.distribute.get_strategy(), 0, 1, 1)
    if batch_size % place.replicas:
        raise InputError(f"--batch_size={batch_size} cannot be shared evenly by {place.replicas} devices.")
    return place


def _multiworker() -> Place:
    example = '{"cluster": {"worker": ["host1:12345", "host2:12345"]}, "task": {"type": "worker", "index": 0}}'
    try:
        content = json.loads(os.environ["TF_CONFIG"])
        workers = len(content["cluster"]["worker"])
        worker = int(content["task"]["index"])
    except (KeyError, ValueError, TypeError) as error:
        raise InputError(
            "--strategy=multiworker expects the environment variable TF_CONFIG on every machine, the same but for the "
            f"index: {example}. All of them must see the same --run_dir. ({error!r})"
        ) from error
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    return Place(strategy, worker, workers, strategy.num_replicas_in_sync)


def names() -> list[str]:
    """Of the devices that TensorFlow sees."""
    return [device.name for device in tf.config.list_logical_devices()]


def resolve_precision(precision: str) -> str:
    """The Keras policy of `--precision`. "auto" is mixed_float16 where every GPU has tensor cores, else float32.

    On CPUs, half precision is emulated and several times slower. GPUs below compute capability 7.0 (before Volta)
    store float16 but do not compute faster in it.
    """
    if precision != "auto":
        return precision
    details = [tf.config.experimental.get_device_details(gpu) for gpu in tf.config.list_physical_devices("GPU")]
    capable = details and all(detail.get("compute_capability", (0, 0)) >= (7, 0) for detail in details)
    return "mixed_float16" if capable else "float32"


def seed_everything(seed: int, deterministic: bool) -> None:
    """Seeds the initial weights and dropout; with `deterministic`, forbids kernels whose result varies between runs."""
    keras.utils.set_random_seed(seed)
    if deterministic:
        tf.config.experimental.enable_op_determinism()
