"""Decoding, cutting and resizing, against Pillow's best and against what must hold."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from pipeline.dataset.contract import Contract, Encoding
from pipeline.dataset.pixels import UndecodableError, decode_pixels
from pipeline.dataset.schemes import Crops
from pipeline.pictures.crops import encode
from trainer.data.pictures import fill_pictures, make_pictures, resize

SIZES = (96, 100, 61)  # multiples of 8 and 16, of 4, of nothing


def smooth(size: int) -> np.ndarray:
    """uint8[size, size, 3] that changes slowly enough to be the same at every scale."""
    row, column = np.mgrid[:size, :size] / size
    return np.round(255 * np.stack([row, column, (row + column) / 2], -1)).astype(np.uint8)


def contract(size: int, encoding: Encoding) -> Contract:
    return Contract(Crops(size, 1), encoding, (), {}, "", 0)


@pytest.mark.parametrize("encoding", ["raw", "png", "jpeg"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("side", [16, 30, 48, 60, 61, 96, 128])
def test_a_picture_is_the_same_at_every_side(size: int, side: int, encoding: Encoding) -> None:
    pixels = smooth(size)
    (found,) = make_pictures([encode(pixels, encoding)], contract(size, encoding), side)
    expected = np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.BILINEAR))
    assert found.shape == (side, side, 3)
    assert np.abs(found.astype(int) - expected).max() <= 8
    assert np.abs(found.astype(int) - expected).mean() < 1.5


@pytest.mark.parametrize("encoding", ["raw", "png", "jpeg"])
@pytest.mark.parametrize("size", SIZES)
def test_a_window_is_the_part_of_the_picture_that_it_names(size: int, encoding: Encoding) -> None:
    windows = np.array([[0, 0, size, size], [7, 11, 55, 59], [size - 40, size - 31, size, size], [3, 5, 4, 6]])
    pixels = smooth(size)
    stored = encode(pixels, encoding)
    for side in (12, 24, 64):
        out = np.empty((len(windows), side, side, 3), np.uint8)
        if encoding == "raw":
            fill_pictures(out, [pixels[t:b, le:r] for le, t, r, b in windows.tolist()], contract(size, encoding))
        else:
            fill_pictures(out, [stored] * len(windows), contract(size, encoding), windows)
        for found, (left, top, right, bottom) in zip(out.astype(int), windows.tolist(), strict=True):
            middle = (left + right - 1) / 2 / size * 255, (top + bottom - 1) / 2 / size * 255
            assert abs(found[..., 1].mean() - middle[0]) < 5
            assert abs(found[..., 0].mean() - middle[1]) < 5


@pytest.mark.parametrize("encoding", ["raw", "png", "jpeg"])
@pytest.mark.parametrize(("size", "side"), [(96, 48), (96, 40), (100, 34), (96, 12)])
def test_stripes_too_fine_for_the_result_become_grey_and_make_no_moire(
    size: int, side: int, encoding: Encoding
) -> None:
    stripes = np.zeros((size, size, 3), np.uint8)
    stripes[:, ::2] = 255
    (found,) = make_pictures([encode(stripes, encoding)], contract(size, encoding), side)
    inner = found[1:-1, 1:-1].astype(int)
    assert np.abs(inner - 127).max() < 50  # sampled without care, it would be 0 in one place and 255 in another


def test_nothing_is_resized_that_has_its_size() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (24, 24, 3), np.uint8)
    out = np.empty_like(pixels)
    resize(pixels, out)
    np.testing.assert_array_equal(out, pixels)
    (found,) = make_pictures([encode(pixels, "png")], contract(24, "png"))
    np.testing.assert_array_equal(found, pixels)


@pytest.mark.parametrize("size", SIZES)
def test_a_jpeg_is_decoded_no_larger_than_needed_and_never_smaller(size: int) -> None:
    stored = encode(smooth(size), "jpeg")
    sides = {share: decode_pixels(stored, contract(size, "jpeg"), share).shape[0] for share in (0.1, 0.5, 0.6, 0.9, 1)}
    assert all(side >= share * size for share, side in sides.items())
    least = {96: 12, 100: 25, 61: 61}  # the smallest that has a whole number of pixels
    assert sides[0.1] == least[size]
    assert sides[1] == size


@pytest.mark.parametrize("encoding", ["png", "jpeg"])
@pytest.mark.parametrize("share", [0.3, 1.0])
def test_damage_in_the_middle_is_noticed(encoding: Encoding, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8)
    stored = encode(noise, encoding)
    for damaged in (stored[: len(stored) // 2], stored[: len(stored) // 2] + bytes(len(stored) // 2)):
        with pytest.raises(UndecodableError):
            decode_pixels(damaged, contract(96, encoding), share)
