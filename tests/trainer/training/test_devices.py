from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import InputError
from trainer.training import devices

# In a process of its own: how many devices a CPU pretends to be is decided before TensorFlow starts.
TWO_DEVICES = """
import keras, numpy as np, tensorflow as tf
from trainer.data.draws import draw_chances
from trainer.network import models
from trainer.network.backbones import BACKBONES, Backbone
from trainer.training import objective
from trainer.training.devices import Place
from trainer.training.steps import Steps

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
mirrored = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])

def plain(include_top, weights, input_shape):  # no BatchNorm, which would tell one batch from two halves
    pixels = keras.Input(input_shape)
    return keras.Model(pixels, keras.layers.Conv2D(4, 5, strides=4, activation="relu")(pixels))

BACKBONES["MobileNet"] = Backbone("__main__:plain", "unit", "none", 1.0)
rng = np.random.default_rng(0)
images = rng.integers(0, 256, (8, 32, 32, 3), np.uint8)
targets = np.eye(4, dtype=np.float32)[rng.integers(0, 4, 8)]

def weights_after(strategy, replicas, loss_scaling):
    keras.utils.set_random_seed(0)
    place = Place(strategy, 0, 1, replicas)
    with strategy.scope():
        design = models.Design("MobileNet", 32, 32, 4, 0.0, grayscale=False)
        network, average = models.build(design), models.build(design)
        variables = network.model.trainable_variables
        schedule = objective.Schedule(0.5, 0, 10, cosine=False)
        optimizer = objective.optimizer("sgd", schedule, 0.1, 0.02 / replicas, variables, loss_scaling)
        steps = Steps(place, network, average, 0.5, objective.Objective(), 1e-3, optimizer, 2, jit=False,
                      augmentation="strong")
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

one = weights_after(tf.distribute.get_strategy(), 1, loss_scaling=False)
two = weights_after(mirrored, 2, loss_scaling=True)  # by powers of two, which change no digit
for (loss, *rest), (other, *others) in zip(one[0], two[0], strict=True):
    np.testing.assert_allclose(loss, other, rtol=1e-5)
    assert rest == others, (rest, others)
assert [asked for *_, asked in one[0]] == [False, False, False, True]
for mine, theirs in zip(one[1], two[1], strict=True):
    np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-6)
"""


def test_two_devices_take_the_steps_of_one() -> None:
    """With augmentation, accumulation, clipping, decay, L2, the moving average, and loss scaling."""
    done = subprocess.run(
        [sys.executable, "-c", TWO_DEVICES], cwd=Path(__file__).parents[3], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("content", [None, "", "{}", '{"cluster": {"worker": ["a:1"]}, "task": {"index": "x"}}'])
def test_multiworker_without_a_cluster_says_what_to_set(content: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if content is not None:
        monkeypatch.setenv("TF_CONFIG", content)
    with pytest.raises(InputError, match=r'TF_CONFIG .* \{"cluster"'):
        devices.find_place("multiworker", 8)


def test_precision_is_float32_on_a_cpu_and_what_is_asked_for_otherwise() -> None:
    assert devices.resolve_precision("auto") == "float32"
    assert devices.resolve_precision("mixed_bfloat16") == "mixed_bfloat16"


@pytest.mark.parametrize(
    ("capabilities", "policy"),
    [([(7, 5)], "mixed_float16"), ([(6, 1)], "float32"), ([(8, 0), (6, 1)], "float32")],
)
def test_auto_precision_asks_every_gpu(
    capabilities: list[tuple[int, int]], policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tensorflow.config.list_physical_devices", lambda _: range(len(capabilities)))
    monkeypatch.setattr(
        "tensorflow.config.experimental.get_device_details",
        lambda gpu: {"compute_capability": capabilities[gpu]},
    )
    assert devices.resolve_precision("auto") == policy
