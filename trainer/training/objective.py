"""What is minimised, and how: loss, class balance, regularisation, learning rate, optimiser."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf


@dataclass(frozen=True, slots=True)
class Objective:
    """Cross-entropy of soft targets.

    Attributes:
      label_smoothing: share of each target spread evenly over all classes (Szegedy et al. 2015, arXiv:1512.00567).
      class_weights: float32[classes], factors of each class's loss; None for 1.
      log_prior: float32[classes], added to the logits in training only, so that what the network itself learns is
        free of the prior (Menon et al. 2020, arXiv:2007.07314, equation 10 with tau = 1); None for 0.
    """

    label_smoothing: float = 0.0
    class_weights: np.ndarray | None = None
    log_prior: np.ndarray | None = None

    def __call__(self, logits: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        """float32[batch] losses of float32[batch, classes] logits and targets, whose rows sum to 1."""
        if self.log_prior is not None:
            logits = logits + self.log_prior
        factor = 1.0 if self.class_weights is None else tf.linalg.matvec(targets, tf.constant(self.class_weights))
        classes = targets.shape[-1]
        smoothed = targets * (1 - self.label_smoothing) + self.label_smoothing / classes
        return factor * tf.nn.softmax_cross_entropy_with_logits(smoothed, logits)


def objective(class_balance: str, label_smoothing: float, counts: np.ndarray | None) -> Objective:
    """The objective of a run. `counts`, int64[classes] of the training split, are needed to weigh or adjust."""
    if class_balance in ("none", "sampling"):
        return Objective(label_smoothing)
    assert counts is not None
    present = np.maximum(counts, 1)  # a class without a record has no loss to weigh
    if class_balance == "weights":
        weights = counts.sum() / ((counts > 0).sum() * present)
        return Objective(label_smoothing, class_weights=weights.astype(np.float32))
    return Objective(label_smoothing, log_prior=np.log(present / counts.sum()).astype(np.float32))


def l2_penalty(variables: Sequence[keras.Variable], l2: float) -> tf.Tensor:
    """l2 times the sum of squares of all kernels, in float32.

    Written out, because a `kernel_regularizer` set on a backbone that is already built adds nothing to the loss.
    """
    return l2 * tf.add_n([tf.reduce_sum(tf.square(variable.value)) for variable in kernels(variables)])


def kernels(variables: Sequence[keras.Variable]) -> list[keras.Variable]:
    """The variables that decay: not the biases, scales and offsets, which are vectors."""
    return [variable for variable in variables if len(variable.shape) > 1]


class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up to `peak`, then constant, or down to nothing along half a cosine (Loshchilov & Hutter 2016).

    Args:
      peak: the learning rate after warm-up.
      warmup: updates it takes to get there.
      total: updates of the whole run.
      cosine: whether to come down.
    """

    def __init__(self, peak: float, warmup: int, total: int, cosine: bool) -> None:
        self.peak, self.warmup, self.total, self.cosine = peak, warmup, total, cosine

    def __call__(self, step: int | tf.Tensor) -> tf.Tensor:
        """The learning rate of an update, counted from 0."""
        at = tf.cast(step, tf.float32)
        rising = (at + 1) / max(1, self.warmup + 1)
        rest = max(1, self.total - self.warmup)
        done = tf.clip_by_value((at - self.warmup) / rest, 0.0, 1.0)
        falling = 0.5 * (1 + tf.cos(np.pi * done)) if self.cosine else 1.0
        return self.peak * tf.where(at < self.warmup, rising, falling)

    def get_config(self) -> dict[str, object]:
        """What Keras needs to make it again."""
        return {"peak": self.peak, "warmup": self.warmup, "total": self.total, "cosine": self.cosine}


def optimizer(
    name: str,
    schedule: Schedule,
    weight_decay: float,
    clip_norm: float,
    variables: Sequence[keras.Variable],
    loss_scaling: bool,
) -> keras.optimizers.Optimizer:
    """A Keras optimiser, built: its variables exist, in an order that `variables` decides.

    Weight decay is decoupled from the gradient and spares vectors (AdamW is Adam with it: Loshchilov & Hutter 2017,
    arXiv:1711.05101). With `loss_scaling`, a step whose float16 gradients overflow is skipped and the scale halved;
    clipping sees gradients that are scaled back.
    """
    common = {"weight_decay": weight_decay or None, "global_clipnorm": clip_norm or None}
    made: keras.optimizers.Optimizer
    if name == "sgd":
        made = keras.optimizers.SGD(schedule, momentum=0.9, nesterov=True, **common)
    elif name == "lion":
        made = keras.optimizers.Lion(schedule, **common)
    else:
        made = keras.optimizers.Adam(schedule, **common)
    decaying = {id(variable) for variable in kernels(variables)}
    made.exclude_from_weight_decay(var_list=[variable for variable in variables if id(variable) not in decaying])
    if loss_scaling:
        made = keras.optimizers.LossScaleOptimizer(made)
    made.build(variables)
    return made


def updates(optimizer: keras.optimizers.Optimizer) -> keras.Variable:
    """How many updates it has made, int64; steps that are skipped for an overflow are none.

    A LossScaleOptimizer of Keras 3.8 has a counter of its own, which stays at 0.
    """
    return getattr(optimizer, "inner_optimizer", optimizer).iterations
