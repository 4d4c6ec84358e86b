"""What a score means, and below which the model is unsure."""

from __future__ import annotations

import numpy as np
import pytest

from trainer.judging import calibration


def test_temperature_undoes_overconfidence():
    generator = np.random.default_rng(0)
    honest = generator.dirichlet(np.full(4, 0.6), size=4000)
    labels = np.array([generator.choice(4, p=row) for row in honest])
    boastful = calibration.calibrated(honest, 0.4)
    temperature = calibration.fit_temperature(boastful, labels)
    assert temperature == pytest.approx(2.5, rel=0.08)
    judged = calibration.judge(boastful, labels, temperature, None, [str(row) for row in range(len(labels))])
    assert judged["after"]["expected_calibration_error"] < 0.03 < judged["before"]["expected_calibration_error"]
    assert judged["after"]["loss"] < judged["before"]["loss"]
    assert (calibration.calibrated(boastful, 3.0).argmax(1) == boastful.argmax(1)).all()


def test_expected_calibration_error_of_known_bins():
    confidence = np.array([0.95, 0.95, 0.95, 0.95, 0.55, 0.55])
    right = np.array([True, True, True, False, True, False])
    curve = calibration.reliability(confidence, right)
    assert curve.error == pytest.approx((4 * abs(0.95 - 0.75) + 2 * abs(0.55 - 0.5)) / 6)
    assert curve.count.sum() == 6
    assert calibration.bins_of(np.array([0.0, 0.1, 0.1001, 1.0])).tolist() == [0, 0, 1, 9]


def test_threshold_answers_as_many_as_the_target_allows():
    confidence = np.linspace(1, 0.01, 100)
    right = np.ones(100, bool)
    right[50:] = False
    threshold = calibration.unsure_threshold(confidence, right)
    answered = confidence >= threshold
    assert right[answered].mean() >= 0.9
    assert answered.sum() == 55  # 50 of 55 are right; 50 of 56 would be below nine in ten
    assert calibration.unsure_threshold(confidence, np.zeros(100, bool)) is None
    assert calibration.unsure_threshold(confidence[:9], np.ones(9, bool)) is None
    assert calibration.unsure_threshold(np.full(20, 0.5), np.arange(20) < 10) is None  # equal: all or none


def test_a_model_without_threshold_answers_nothing():
    judged = calibration.judge(np.eye(3)[[0, 1, 2]], np.array([0, 1, 2]), 1.0, None, list("abc"))
    assert judged["unsure"]["coverage"] == 0
    assert judged["unsure"]["accuracy"] is None
