"""Will it fit? Memory of host and device, estimated before the first step and held against what there is.

Estimates, not measurements: activations are the outputs of all layers, which is what backpropagation keeps, plus a
third for what lives between them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import keras
import psutil
import tensorflow as tf

from pipeline.errors import MorelliError
from trainer.data.stream import PARALLEL, PREFETCH, Stream
from trainer.network.models import Network

_PROCESS = 700 << 20  # Python with TensorFlow and Keras loaded, bytes
_FLOAT = 4
_AUGMENTED = 3  # copies of a batch as floats that its augmentation holds at once: itself, its partners, the mixture
_COMFORT = 0.8  # share of the available memory above which it is worth a warning


class OutOfMemoryError(MorelliError):
    """The run would not fit into memory."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Bytes, by what needs them.

    Attributes:
      process: Python, TensorFlow, Keras.
      shuffle: the windows of records.
      batches: those fetched ahead, on the host.
      pictures: those fetched ahead, on one device, and what their augmentation takes.
      weights: weights, gradients, optimiser, moving average.
      activations: of one batch on one device.
    """

    process: int
    shuffle: int
    batches: int
    pictures: int
    weights: int
    activations: int

    @property
    def input(self) -> int:
        """What always lies in the host's memory."""
        return self.process + self.shuffle + self.batches

    @property
    def compute(self) -> int:
        """What lies in the device's memory; the host's, where that is the device."""
        return self.pictures + self.weights + self.activations

    def __str__(self) -> str:
        mib = {name: getattr(self, name) / 2**20 for name in self.__slots__}
        return ", ".join(f"{name} {size:.0f}" for name, size in mib.items()) + " MiB"


def estimate(
    stream: Stream, network: Network, slots: int, averaged: bool, accumulated: bool, replicas: int, half: bool
) -> Estimate:
    """Estimates the memory of a run.

    Args:
      stream: its input.
      network: built.
      slots: bytes of the optimiser's variables.
      averaged: whether a moving average of the weights is kept.
      accumulated: whether gradients are summed over batches.
      replicas: devices.
      half: whether activations have 2 bytes rather than 4.
    """
    size = stream.dataset.contract.scheme.size
    shards = stream.dataset.contract.splits["train"]
    stored = stream.part * sum(shard.bytes for shard in shards) // max(1, sum(shard.records for shard in shards))
    handed = math.prod(stream.handed)
    weights = sum(math.prod(variable.shape) for variable in network.model.weights) * _FLOAT
    examples = stream.batch_size // replicas
    values = sum(math.prod(shape) for shape in _output_shapes(network.model))
    return Estimate(
        process=_PROCESS,
        shuffle=min(stream.shuffle_mib << 20, 2 * stream.dataset.contract.records("train") * size * size * 3),
        batches=(PREFETCH + PARALLEL) * (stream.part * handed + stored),
        pictures=examples * handed * (PREFETCH + PARALLEL + _AUGMENTED * _FLOAT),
        weights=weights * (2 + averaged + accumulated) + slots,
        activations=examples * values * (2 if half else _FLOAT) * 4 // 3,
    )


def _output_shapes(model: keras.Model) -> Iterator[list[int]]:
    """The output shapes of all layers of a model and of the models in it, without the batch."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _output_shapes(layer)
        elif isinstance(shape := getattr(layer.output, "shape", None), tuple):
            yield [side for side in shape[1:] if side is not None]


def check(wanted: Estimate, host: int, device: int | None) -> str:
    """Holds an estimate against the memory there is.

    Args:
      wanted: of `estimate`.
      host: bytes available, of `available_host`.
      device: bytes of the smallest device, of `available_device`; None where the host computes.

    Returns:
      A warning where it will be tight, else nothing.

    Raises:
      OutOfMemoryError: it will not fit.
    """
    cures = "Lower --batch_size (and raise --accumulate_steps to make up for it), --input_size or --shuffle_mib."
    needs = [("host", wanted.input + (wanted.compute if device is None else 0), host)]
    if device is not None:
        needs.append(("device", wanted.compute, device))
    warnings = []
    for where, need, have in needs:
        text = f"The run needs about {need >> 20} MiB of {where} memory ({wanted}); {have >> 20} MiB are available."
        if need > have:
            raise OutOfMemoryError(f"{text} {cures}")
        if need > _COMFORT * have:
            warnings.append(f"{text} If it is killed for memory: {cures[0].lower()}{cures[1:]}")
    return " ".join(warnings)


def available_host() -> int:
    """Bytes this process may still take: of the machine, or of its container where that allows less."""
    free = psutil.virtual_memory().available
    group = Path("/sys/fs/cgroup")
    try:
        limit = (group / "memory.max").read_text().strip()
        used = int((group / "memory.current").read_text())
    except OSError:
        return int(free)
    return int(free if limit == "max" else min(free, int(limit) - used))


def available_device() -> int | None:
    """Bytes of the GPU with the least memory that TensorFlow may use; None without a GPU."""
    from tensorflow.python.client import device_lib

    if not tf.config.list_logical_devices("GPU"):
        return None
    return int(min(device.memory_limit for device in device_lib.list_local_devices() if device.device_type == "GPU"))
