from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from trainer.data.windows import draw_windows


@given(st.integers(0, 2**31), st.integers(0, 10**6), st.integers(1, 9), st.integers(8, 1024))
def test_windows_lie_within_the_picture(seed: int, number: int, batch: int, size: int) -> None:
    windows = draw_windows(seed, number, batch, size)
    left, top, right, bottom = windows.T
    assert windows.shape == (batch, 4)
    assert (left >= 0).all()
    assert (top >= 0).all()
    assert (left < right).all()
    assert (top < bottom).all()
    assert (right <= size).all()
    assert (bottom <= size).all()


def test_they_cover_a_fifth_or_more_in_any_place_and_are_nearly_square() -> None:
    left, top, right, bottom = draw_windows(3, 0, 5000, 512).T
    areas = (right - left) * (bottom - top) / 512**2
    assert areas.min() > 0.19
    assert areas.max() > 0.95
    assert abs(areas.mean() - 0.6) < 0.02
    aspects = np.log((right - left) / (bottom - top))
    assert np.abs(aspects).max() < np.log(4 / 3) + 0.01
    assert left.std() > 40
    assert abs((left + right).mean() - 512) < 10


def test_a_batch_has_its_own() -> None:
    first, again, other = (draw_windows(1, number, 8, 64) for number in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
