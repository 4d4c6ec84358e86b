"""python -m tests.trainer.training.two_devices: two devices take the very steps of one.

In a process of its own: how many devices a CPU pretends to be is decided before TensorFlow starts.
"""

import keras
import numpy as np
import tensorflow as tf

from trainer.data.draws import draw_chances
from trainer.network import models
from trainer.network.backbones import BACKBONES, Backbone
from trainer.training import objective
from trainer.training.devices import Place
from trainer.training.steps import Steps


def plain(include_top, weights, input_shape):  # no BatchNorm, which would tell one batch from two halves
    pixels = keras.Input(input_shape)
    return keras.Model(pixels, keras.layers.Conv2D(4, 5, strides=4, activation="relu")(pixels))


def weights_after(strategy, replicas, loss_scaling):
    keras.utils.set_random_seed(0)
    place = Place(strategy, 0, 1, replicas)
    with strategy.scope():
        design = models.Design("MobileNet", 32, 32, 4, 0.0, grayscale=False)
        network, average = models.build(design), models.build(design)
        variables = network.model.trainable_variables
        schedule = objective.Schedule(0.5, 0, 10, cosine=False)
        optimizer = objective.optimizer("sgd", schedule, 0.1, 0.02 / replicas, variables, loss_scaling)
        steps = Steps(
            place, network, average, 0.5, objective.Objective(), 1e-3, optimizer, 2, jit=False, augmentation="strong"
        )
    data = [
        place.deliver((tf.constant(images), tf.constant(targets), tf.constant(draw_chances(3, number, 8))))
        for number in range(4)
    ]
    losses = []
    for number, batch in enumerate(data):
        gathered = number % 2 + 1
        result = steps.train(batch, (number == 3, False), False, gathered, gathered == 2)
        losses.append((result.loss, result.hits, result.examples, result.save_asked))
    assert steps.agree([1.5, -2.0]) == [1.5, -2.0]
    return losses, [variable.numpy() for variable in (*network.model.weights, *average.model.weights)]


if __name__ == "__main__":
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    mirrored = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    BACKBONES["MobileNet"] = Backbone("__main__:plain", "unit", "none", 1.0)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (8, 32, 32, 3), np.uint8)
    targets = np.eye(4, dtype=np.float32)[rng.integers(0, 4, 8)]

    one = weights_after(tf.distribute.get_strategy(), 1, loss_scaling=False)
    two = weights_after(mirrored, 2, loss_scaling=True)  # by powers of two, which change no digit
    for (loss, *rest), (other, *others) in zip(one[0], two[0], strict=True):
        np.testing.assert_allclose(loss, other, rtol=1e-5)
        assert rest == others, (rest, others)
    assert [asked for *_, asked in one[0]] == [False, False, False, True]
    for mine, theirs in zip(one[1], two[1], strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-6)
