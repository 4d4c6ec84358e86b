"""One training step, on every device: loss, gradients, update, moving average."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import keras
import tensorflow as tf

from trainer.network.models import Network
from trainer.training.augment import augment
from trainer.training.devices import Place
from trainer.training.objective import Objective, l2_penalty, updates


@dataclass(frozen=True, slots=True)
class StepResult:
    """What a step gave, over all devices.

    Attributes:
      loss: sum of the losses of its examples.
      hits: of them, those answered right.
      examples: their number.
      save_asked, stop_asked: whether any worker asked all of them to save, or to stop.
    """

    loss: float
    hits: int
    examples: int
    save_asked: bool
    stop_asked: bool


@dataclass(frozen=True, slots=True)
class Care:
    """What a pretrained backbone is spared.

    Attributes:
      thaw: share of its layers that learn, from the top.
      rate: their learning rate, as a share of the head's.
      at_rest: whether its BatchNorm statistics and dropout are those of inference.
    """

    thaw: float = 1.0
    rate: float = 1.0
    at_rest: bool = False


class Steps:
    """The compiled functions of a run, and the variables that only they touch.

    Args:
      place: devices. Construct inside `place.strategy.scope()`.
      network: what is trained.
      average: of the same shape, its weights follow the network's as a moving average; None for no average.
      decay: of the average, at most: early on it is (1 + updates) / (10 + updates), so that the average forgets the
        random weights it starts from.
      objective: loss of a batch.
      l2: factor of the squared kernels.
      optimizer: built on the network's trainable variables.
      accumulate: batches per update.
      jit: compile with XLA.
      care: for a pretrained backbone.
      augmentation: a level of `augment`.
    """

    def __init__(
        self,
        place: Place,
        network: Network,
        average: Network | None,
        decay: float,
        objective: Objective,
        l2: float,
        optimizer: keras.optimizers.Optimizer,
        accumulate: int,
        jit: bool,
        care: Care | None = None,
        augmentation: str = "none",
    ) -> None:
        care = care or Care()
        self._augmentation = augmentation
        self._at_rest, self._rate = care.at_rest, care.rate
        self._backbone = {id(variable) for variable in network.backbone.trainable_variables}
        thawed = {id(variable) for variable in network.thawed(care.thaw)}
        self._learning = [
            variable
            for variable in network.model.trainable_variables
            if id(variable) in thawed or id(variable) not in self._backbone
        ]
        self._place = place
        self._network = network
        self._average = average
        self._decay = decay
        self._objective = objective
        self._l2 = l2
        self._optimizer = optimizer
        self._sums = [
            tf.Variable(tf.zeros(variable.shape), trainable=False)
            for variable in (network.model.trainable_variables if accumulate > 1 else ())
        ]
        self._known: set[tuple[bool, bool]] = set()
        # No condition here depends on a tensor, and to look for some in all code takes a second of each start.
        compiled = functools.partial(tf.function, autograph=False)
        self._compiled = compiled(self._everywhere, jit_compile=jit or None)
        self._shared = compiled(self._of_chief)
        # The same kernels as in training, but one device: a worker that evaluates must not wait for the others.
        size = network.model.input_shape[1]
        self.scores = compiled(
            lambda images: (average or network).model(images, training=False),
            input_signature=[tf.TensorSpec([None, size, size, 3], tf.uint8)],
        )

    def compiles(self, frozen: bool, update: bool) -> bool:
        """Whether the next step of this kind will be compiled first, which takes seconds."""
        return (frozen, update) not in self._known

    def train(
        self,
        batch: tuple[tf.Tensor, tf.Tensor, tf.Tensor],
        asked: tuple[bool, bool],
        frozen: bool,
        gathered: int,
        update: bool,
    ) -> StepResult:
        """Takes one batch.

        Waits for the result: only then is the time that the next batch keeps the device waiting the time spent in the
        input, and a loss that is not finite stops the run at its own step.

        Args:
          batch: images uint8[part, size, size, 3], targets float32[part, classes] and chances float32[part, ...], per
            device, as `stream.training_batches` gives them.
          asked: whether this worker asks all workers to save, or to stop, after this step.
          frozen: train the head only.
          gathered: batches since the last update, this one included.
          update: whether to update the weights with their mean gradient.
        """
        self._known.add((frozen, update))
        wishes = tf.constant(asked, tf.float32)
        sums = self._compiled(*batch, wishes, frozen, tf.constant(float(gathered)), update)
        loss, hits, examples, save, stop = sums.numpy().tolist()
        return StepResult(loss, round(hits), round(examples), save > 0, stop > 0)

    def agree(self, values: list[float]) -> list[float]:
        """The chief's values, on every worker."""
        agreed: list[float] = self._shared(tf.constant(values, tf.float64)).numpy().tolist()
        return agreed

    def _of_chief(self, values: tf.Tensor) -> tf.Tensor:
        def mine() -> tf.Tensor:
            context = tf.distribute.get_replica_context()
            return values * tf.cast(context.replica_id_in_sync_group == 0, values.dtype)

        return self._place.strategy.reduce(tf.distribute.ReduceOp.SUM, self._place.strategy.run(mine), axis=None)

    def _everywhere(
        self,
        images: tf.Tensor,
        targets: tf.Tensor,
        chances: tf.Tensor,
        wishes: tf.Tensor,
        frozen: bool,
        gathered: tf.Tensor,
        update: bool,
    ) -> tf.Tensor:
        given = (images, targets, chances, wishes, frozen, gathered, update)
        sums = self._place.strategy.run(self._on_device, args=given)
        return self._place.strategy.reduce(tf.distribute.ReduceOp.SUM, sums, axis=None)

    def _on_device(
        self,
        images: tf.Tensor,
        targets: tf.Tensor,
        chances: tf.Tensor,
        wishes: tf.Tensor,
        frozen: bool,
        gathered: tf.Tensor,
        update: bool,
    ) -> tf.Tensor:
        images, targets = augment(images, targets, chances, self._augmentation)
        variables = self._network.trainable(head_only=True) if frozen else self._learning
        with tf.GradientTape() as tape:
            logits = self._network.logits(images, frozen or self._at_rest)
            losses = self._objective(logits, targets)
            total = tf.reduce_mean(losses)
            if self._l2:
                total += l2_penalty(variables, self._l2)
            scaled = self._optimizer.scale_loss(total)
        gradients = tape.gradient(scaled, [variable.value for variable in variables])
        if self._sums:
            gradients = self._accumulate(variables, gradients, gathered, update)
        if update:
            self._update(variables, gradients)
        hits = tf.equal(tf.argmax(logits, 1), tf.argmax(targets, 1))
        sums = [tf.reduce_sum(losses), tf.reduce_sum(tf.cast(hits, tf.float32)), tf.cast(tf.size(hits), tf.float32)]
        return tf.concat([sums, wishes], axis=0)

    def _accumulate(
        self, variables: list[keras.Variable], gradients: list[tf.Tensor], gathered: tf.Tensor, update: bool
    ) -> list[tf.Tensor]:
        """Adds up gradients; where an update is due, returns their mean and starts again from 0."""
        place = {id(variable): at for at, variable in enumerate(self._network.model.trainable_variables)}
        means = []
        for variable, gradient in zip(variables, gradients, strict=True):
            held = self._sums[place[id(variable)]]
            total = held + gradient
            held.assign(tf.zeros_like(total) if update else total)
            means.append(total / gathered)
        return means

    def _update(self, variables: list[keras.Variable], gradients: list[tf.Tensor]) -> None:
        replicas = self._place.replicas
        if replicas > 1:
            # Keras sums gradients over devices, but only after clipping and after looking for overflow on the first
            # device. Hence the sum here, so that every device clips and judges the same, and the division: by
            # `replicas` for the mean, and again because Keras will sum that.
            context = tf.distribute.get_replica_context()
            summed = context.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
            gradients = [gradient / replicas**2 for gradient in summed]
        # No optimiser of Keras has a rate for each variable. An update is proportional to its rate, decay included.
        slow = [variable for variable in variables if self._rate < 1 and id(variable) in self._backbone]
        before = [tf.identity(variable.value) for variable in slow]
        self._optimizer.apply(gradients, variables)
        for variable, old in zip(slow, before, strict=True):
            variable.assign(old + self._rate * (variable.value - old))
        if self._average is not None:
            made = tf.cast(updates(self._optimizer), tf.float32)
            rest = 1 - tf.minimum(self._decay, (1 + made) / (10 + made))
            for average, weight in zip(self._average.model.weights, self._network.model.weights, strict=True):
                if average.dtype.startswith("float"):
                    average.assign(average.value + rest * (weight.value - average.value))
                else:  # a counter, such as Normalization's, has no mean
                    average.assign(weight.value)
