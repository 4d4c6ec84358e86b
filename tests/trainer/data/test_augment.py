from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from trainer.data import augment


def pictures(batch: int = 64, size: int = 24) -> tuple[tf.Tensor, tf.Tensor]:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (batch, size, size, 3), np.uint8)
    return tf.constant(images), tf.one_hot(np.arange(batch) % 5, 5)


def seed(number: int) -> tf.Tensor:
    return tf.constant([7, number], tf.int64)


@pytest.mark.parametrize("resized_crop", [False, True])
@pytest.mark.parametrize("level", augment.LEVELS)
def test_shapes_dtypes_and_the_mass_of_targets_stay(level: str, resized_crop: bool) -> None:
    images, targets = pictures()
    for number in range(4):
        out, mixed = augment.augment(images, targets, seed(number), level, resized_crop)
        assert out.dtype == tf.uint8
        assert out.shape == images.shape
        np.testing.assert_allclose(tf.reduce_sum(mixed, 1), 1, atol=1e-6)


@pytest.mark.parametrize(("level", "resized_crop"), [("none", True), ("light", False), ("strong", True)])
def test_the_same_seed_gives_the_same_batch_and_another_seed_another(level: str, resized_crop: bool) -> None:
    images, targets = pictures()
    first, again, other = (augment.augment(images, targets, seed(n), level, resized_crop)[0].numpy() for n in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_half_the_images_are_mirrored_and_the_rest_untouched() -> None:
    images, _ = pictures(400)
    out = augment.flip(images, seed(0)).numpy()
    mirrored = (out == images.numpy()[:, :, ::-1]).all(axis=(1, 2, 3))
    same = (out == images.numpy()).all(axis=(1, 2, 3))
    assert (mirrored ^ same).all()
    assert 0.4 < mirrored.mean() < 0.6


def test_jitter_is_brightness_times_contrast_about_grey_times_saturation() -> None:
    """Against the definition, written out pixel by pixel with the factors the seed draws."""
    pixels = tf.cast(pictures(3)[0], tf.float32)
    brightness, contrast, saturation = tf.random.stateless_uniform([3, 3, 1, 1], seed(5), 0.7, 1.3).numpy()
    luma = np.array([0.299, 0.587, 0.114], np.float32)
    for image, out, b, c, s in zip(
        pixels.numpy(), augment.jitter(pixels, seed(5), 0.3).numpy(), brightness, contrast, saturation, strict=True
    ):
        grey = (image @ luma)[..., None]
        saturated = grey + s * (image - grey)
        expected = b * (grey.mean() + c * (saturated - grey.mean()))
        np.testing.assert_allclose(out, expected, atol=0.01)


def test_jitter_of_no_strength_changes_nothing() -> None:
    pixels = tf.cast(pictures(3)[0], tf.float32)
    np.testing.assert_allclose(augment.jitter(pixels, seed(5), 0.0), pixels, atol=1e-3)


def test_erasing_takes_one_rectangle_of_the_promised_area_from_a_quarter_of_the_images() -> None:
    pixels = tf.cast(pictures(400)[0], tf.float32)
    changed = (augment.erase(pixels, seed(1)).numpy() != pixels.numpy()).any(axis=-1)
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
        mixed, shares = augment.mix(pixels, targets, seed(number))
        np.testing.assert_allclose(tf.reduce_mean(mixed, [1, 2, 3]), tf.linalg.matvec(shares, values), atol=1e-4)
        kinds.add(bool((tf.math.reduce_std(mixed, [1, 2, 3]).numpy() > 1e-3).any()))
    assert kinds == {True, False}  # CutMix leaves edges, mixup does not


def test_windows_are_parts_of_the_image_enlarged_to_the_whole() -> None:
    """On images whose channels are each pixel's row and column, corners tell the window, and steps are even within."""
    size = 33
    row, column = np.meshgrid(np.arange(size), np.arange(size), indexing="ij")
    image = np.stack([row, column, np.zeros_like(row)], -1).astype(np.float32)
    out = augment.random_resized_crop(tf.constant(np.tile(image, (200, 1, 1, 1))), seed(3)).numpy()
    assert out.shape == (200, size, size, 3)
    assert out.min() >= 0
    assert out.max() <= size - 1
    heights, widths = ((out[:, -1, -1, at] - out[:, 0, 0, at]) / (size - 1) for at in (0, 1))
    areas = heights * widths
    assert areas.min() >= 0.199
    assert areas.max() > 0.9
    assert (np.abs(np.log(heights / widths)) <= np.log(4 / 3) + 1e-4).all()
    np.testing.assert_allclose(
        np.diff(out[..., 0], axis=1), np.tile(heights[:, None, None], (size - 1, size)), atol=1e-3
    )
    assert out[:, 0, 0, 0].std() > 1  # windows lie in different places
