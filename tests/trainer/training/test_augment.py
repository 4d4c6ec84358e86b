from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from trainer.config import AUGMENTATIONS
from trainer.data.draws import CHANCES, draw_chances
from trainer.training import augment


def pictures(batch: int = 64, size: int = 24) -> tuple[tf.Tensor, tf.Tensor]:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (batch, size, size, 3), np.uint8)
    return tf.constant(images), tf.one_hot(np.arange(batch) % 5, 5)


def chances(number: int, batch: int) -> tf.Tensor:
    return tf.constant(draw_chances(7, number, batch))


def drawn(number: int, batch: int) -> augment.Chances:
    return dict(zip(CHANCES, tf.unstack(chances(number, batch), axis=1), strict=True))


@pytest.mark.parametrize("batch", [64, 7, 1])
@pytest.mark.parametrize("level", AUGMENTATIONS)
def test_shapes_dtypes_and_the_mass_of_targets_stay(level: str, batch: int) -> None:
    images, targets = pictures(batch)
    for number in range(4):
        out, mixed = augment.augment(images, targets, chances(number, batch), level)
        assert out.dtype == tf.uint8
        assert out.shape == images.shape
        np.testing.assert_allclose(tf.reduce_sum(mixed, 1), 1, atol=1e-6)


@pytest.mark.parametrize("level", ["light", "strong"])
def test_the_same_seed_gives_the_same_batch_and_another_seed_another(level: str) -> None:
    images, targets = pictures()
    first, again, other = (augment.augment(images, targets, chances(n, 64), level)[0].numpy() for n in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize("parts", [2, 4])
def test_devices_see_bit_by_bit_what_one_would(parts: int) -> None:
    images, targets = pictures()
    count = 64 // parts
    for number in range(6):  # mixup and CutMix
        whole = augment.augment(images, targets, chances(number, 64), "strong")
        for first in range(0, 64, count):
            part = slice(first, first + count)
            some = augment.augment(images[part], targets[part], chances(number, 64)[part], "strong")
            for mine, theirs in zip(some, whole, strict=True):
                np.testing.assert_array_equal(mine, theirs[part])


def test_a_step_that_xla_compiles_sees_the_same() -> None:
    images, targets = pictures(8)

    def strong(given: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return augment.augment(images, targets, given, "strong")

    compiled = tf.function(strong, jit_compile=True)
    for number in range(6):  # mixup and CutMix
        there, mixed = compiled(chances(number, 8))
        here, expected = strong(chances(number, 8))
        assert np.abs(there.numpy().astype(int) - here.numpy()).max() <= 1  # sums in another order, rounded
        np.testing.assert_allclose(mixed, expected, atol=1e-5)


def test_half_the_images_are_mirrored_and_the_rest_untouched() -> None:
    images, _ = pictures(400)
    out = augment.flip(images, drawn(0, 400)).numpy()
    mirrored = (out == images.numpy()[:, :, ::-1]).all(axis=(1, 2, 3))
    same = (out == images.numpy()).all(axis=(1, 2, 3))
    assert (mirrored ^ same).all()
    assert 0.4 < mirrored.mean() < 0.6


def test_jitter_is_brightness_times_contrast_about_grey_times_saturation() -> None:
    """Against the definition, written out pixel by pixel with the factors the seed draws."""
    pixels = tf.cast(pictures(3)[0], tf.float32)
    brightness, contrast, saturation = 0.7 + 0.6 * draw_chances(7, 5, 3)[:, 1:4].T
    luma = np.array([0.299, 0.587, 0.114], np.float32)
    for image, out, b, c, s in zip(
        pixels.numpy(),
        augment.jitter(pixels, drawn(5, 3), 0.3).numpy(),
        brightness,
        contrast,
        saturation,
        strict=True,
    ):
        grey = (image @ luma)[..., None]
        saturated = grey + s * (image - grey)
        expected = b * (grey.mean() + c * (saturated - grey.mean()))
        np.testing.assert_allclose(out, expected, atol=0.01)


def test_jitter_of_no_strength_changes_nothing() -> None:
    pixels = tf.cast(pictures(3)[0], tf.float32)
    np.testing.assert_allclose(augment.jitter(pixels, drawn(5, 3), 0.0), pixels, atol=1e-3)


def test_erasing_takes_one_rectangle_of_the_promised_area_from_a_quarter_of_the_images() -> None:
    pixels = tf.cast(pictures(400)[0], tf.float32)
    changed = (augment.erase(pixels, drawn(1, 400)).numpy() != pixels.numpy()).any(axis=-1)
    touched = changed.any(axis=(1, 2))
    assert 0.15 < touched.mean() < 0.35
    for mask in changed[touched]:
        rows, columns = mask.any(axis=1), mask.any(axis=0)
        np.testing.assert_array_equal(mask, rows[:, None] & columns[None])  # a rectangle, one and whole
        assert 0.005 < mask.mean() < 0.4


def test_targets_are_mixed_as_the_pixels_are() -> None:
    """On images that are flat in their own label's value, the mean of a mixed image tells its shares."""
    batch = 8
    values = np.arange(batch, dtype=np.float32)
    pixels = tf.constant(np.tile(values[:, None, None, None], (1, 16, 16, 3)))
    targets = tf.eye(batch)
    kinds = set()
    for number in range(12):
        mixed, shares = augment.mix(pixels, targets, drawn(number, batch))
        np.testing.assert_allclose(tf.reduce_mean(mixed, [1, 2, 3]), tf.linalg.matvec(shares, values), atol=1e-4)
        kinds.add(bool((tf.math.reduce_std(mixed, [1, 2, 3]).numpy() > 1e-3).any()))
    assert kinds == {True, False}  # CutMix leaves edges, mixup does not
