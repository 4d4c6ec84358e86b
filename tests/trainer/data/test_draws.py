from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from trainer.data.draws import CHANCES, draw_chances, draw_windows


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


def test_chances_are_uniform_each_for_itself_and_mixing_is_one_draw_a_batch() -> None:
    drawn = draw_chances(3, 0, 5000)
    assert drawn.shape == (5000, len(CHANCES))
    assert drawn.dtype == np.float32
    for at, name in enumerate(CHANCES):
        column = drawn[:, at]
        if name in ("mixup", "kept"):
            assert len(set(column.tolist())) == 1
        else:
            assert abs(column.mean() - 0.5) < 0.02
            assert abs(column.std() - 12**-0.5) < 0.01
    kept = np.array([draw_chances(3, number, 1)[0, CHANCES.index("kept")] for number in range(4000)])
    assert abs(kept.mean() - 0.5) < 0.03
    assert abs(kept.std() - 0.4226) < 0.02  # of Beta(0.2, 0.2): 1 / sqrt(4 * 1.4)
    np.testing.assert_array_equal(draw_chances(1, 5, 8), draw_chances(1, 5, 8))
    assert (draw_chances(1, 5, 8) != draw_chances(1, 6, 8)).any()
