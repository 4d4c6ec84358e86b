from __future__ import annotations

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.training import objective
from trainer.training.objective import Schedule

LOGITS = tf.constant([[2.0, 0.0, -1.0], [0.5, 1.5, 0.0]])
TARGETS = tf.constant([[1.0, 0.0, 0.0], [0.0, 0.25, 0.75]])


def by_hand(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    exponents = np.exp(logits)
    return -(targets * np.log(exponents / exponents.sum(axis=1, keepdims=True))).sum(axis=1)


def test_the_loss_is_cross_entropy_of_smoothed_targets() -> None:
    smoothed = TARGETS.numpy() * 0.9 + 0.1 / 3
    np.testing.assert_allclose(objective.Objective(0.1)(LOGITS, TARGETS), by_hand(LOGITS.numpy(), smoothed), rtol=1e-5)


def test_weights_make_every_class_count_alike() -> None:
    counts = np.array([60, 30, 10])
    made = objective.objective("weights", 0.0, counts)
    assert made.class_weights is not None
    np.testing.assert_allclose(made.class_weights * counts, 100 / 3, rtol=1e-6)
    one_hot = tf.eye(3)
    plain = objective.Objective()(tf.zeros([3, 3]), one_hot)
    np.testing.assert_allclose(made(tf.zeros([3, 3]), one_hot), plain * made.class_weights, rtol=1e-6)


def test_logit_adjustment_takes_the_prior_out() -> None:
    """A network that knows nothing but the prior has, adjusted, no reason to say it: its logits' gradient is 0."""
    counts = np.array([60, 30, 10])
    made = objective.objective("logit_adjust", 0.0, counts)
    logits = tf.Variable(tf.zeros([100, 3]))
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(made(logits, tf.one_hot(np.repeat([0, 1, 2], counts), 3)))
    np.testing.assert_allclose(tf.reduce_sum(tape.gradient(loss, logits), 0), 0, atol=1e-6)


def test_a_class_without_records_does_no_harm() -> None:
    for balance in ("weights", "logit_adjust"):
        losses = objective.objective(balance, 0.0, np.array([5, 0, 5]))(LOGITS, TARGETS)
        assert np.isfinite(losses).all()


def test_the_schedule_rises_then_follows_half_a_cosine() -> None:
    schedule = Schedule(peak=2.0, warmup=3, total=13, cosine=True)
    assert [float(schedule(step)) for step in range(4)] == pytest.approx([0.5, 1.0, 1.5, 2.0])
    assert float(schedule(8)) == pytest.approx(2.0 * 0.5 * (1 + math.cos(math.pi / 2)))
    assert float(schedule(13)) == pytest.approx(0, abs=1e-6)
    constant = Schedule(peak=2.0, warmup=0, total=13, cosine=False)
    assert {float(constant(step)) for step in range(20)} == {2.0}


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd", "lion"])
def test_decay_pulls_kernels_and_spares_vectors(name: str) -> None:
    kernel, bias = keras.Variable(np.ones((2, 2), np.float32)), keras.Variable(np.ones(2, np.float32))
    made = objective.optimizer(name, Schedule(0.1, 0, 10, False), 0.5, 0.0, [kernel, bias], loss_scaling=False)
    made.apply([tf.zeros([2, 2]), tf.zeros([2])], [kernel, bias])
    np.testing.assert_allclose(kernel.numpy(), 1 - 0.1 * 0.5, rtol=1e-5)
    np.testing.assert_allclose(bias.numpy(), 1)


def test_clipping_sees_the_norm_over_all_variables() -> None:
    variables = [keras.Variable(np.zeros(1, np.float32)) for _ in range(2)]
    sgd = objective.optimizer("sgd", Schedule(1.0, 0, 10, False), 0.0, 1.0, variables, loss_scaling=False)
    sgd.apply([tf.constant([30.0]), tf.constant([40.0])], variables)
    # Nesterov's first step is (1 + momentum) times the gradient.
    np.testing.assert_allclose([float(v.numpy()[0]) for v in variables], [-0.6 * 1.9, -0.8 * 1.9], rtol=1e-5)


def test_l2_is_of_the_kernels_alone() -> None:
    variables = [keras.Variable(np.full((2, 3), 2.0, np.float32)), keras.Variable(np.full(3, 5.0, np.float32))]
    assert float(objective.l2_penalty(variables, 0.1)) == pytest.approx(0.1 * 6 * 4)
