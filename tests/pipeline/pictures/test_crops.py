"""Crops and their encoding: the second half of pipeline.pictures.decode."""

import hashlib
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline.dataset.schemes import Crops, Grid, Reshape
from pipeline.pictures.crops import cut, encode
from pipeline.pictures.decode import Painting, decode, scales_down
from pipeline.pictures.limits import MIN_SIDE
from tests.pipeline.pictures.scenes import largest_difference, saved, scene

# --- Crops -----------------------------------------------------------------------------------------------------------

SCHEMES = st.one_of(
    st.builds(Crops, st.integers(8, 300), st.integers(1, 40)),
    st.builds(Reshape, st.integers(8, 300)),
    st.builds(Grid, st.integers(8, 300)),
)
SIDES = st.integers(MIN_SIDE, 900)
DIGESTS = st.binary(min_size=1, max_size=8).map(lambda data: hashlib.sha256(data).hexdigest())


@given(SIDES, SIDES, SCHEMES, st.integers(0, 2**63), DIGESTS)
def test_places_lie_inside_and_are_a_function_of_their_arguments(width, height, scheme, seed, digest):
    boxes = scheme.places(width, height, seed, digest)
    assert len(boxes) == scheme.count(width, height)
    assert boxes == scheme.places(width, height, seed, digest)
    for left, top, right, bottom in boxes:
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height
        if scheme.shows_parts:
            assert right - left == bottom - top == min(scheme.size, width, height)


@given(SIDES, SIDES, st.integers(8, 300))
def test_a_grid_holds_as_many_windows_as_fit_apart_and_centred(width, height, size):
    boxes = Grid(size).places(width, height, 0, "00")
    assert len(boxes) == len(set(boxes)) == max(1, (width // size) * (height // size))
    lefts, tops = {box[0] for box in boxes}, {box[1] for box in boxes}
    side = boxes[0][2] - boxes[0][0]
    assert all(abs(a - b) >= side for places in (lefts, tops) for a in places for b in places if a != b)
    assert abs(min(lefts) - (width - max(box[2] for box in boxes))) <= 1
    assert abs(min(tops) - (height - max(box[3] for box in boxes))) <= 1


@given(st.integers(8, 80), st.integers(8, 80), st.integers(8, 64), st.integers(1, 200), DIGESTS)
def test_no_window_is_taken_again_while_another_is_free(width, height, size, samples, digest):
    boxes = Crops(size, samples).places(width, height, 0, digest)
    side = min(size, width, height)
    room = (width - side + 1) * (height - side + 1)
    assert len(set(boxes)) == min(samples, room)
    counts = [boxes.count(box) for box in set(boxes)]
    assert max(counts) - min(counts) <= 1


def test_places_differ_by_seed_content_and_scheme():
    first, second = hashlib.sha256(b"a").hexdigest(), hashlib.sha256(b"b").hexdigest()
    scheme = Crops(64, 16)
    keys = [(scheme, 0, first), (scheme, 1, first), (scheme, 0, second), (Crops(64, 17), 0, first)]
    starts = {scheme.places(1000, 1000, seed, digest)[0] for scheme, seed, digest in keys}
    assert len(starts) == len(keys)


def test_places_are_the_same_on_every_machine():
    boxes = Crops(64, 3).places(1000, 800, 7, hashlib.sha256(b"a painting").hexdigest())
    assert boxes == [(279, 119, 343, 183), (49, 539, 113, 603), (757, 222, 821, 286)]


def test_windows_reach_every_part_of_a_painting_equally():
    scheme = Crops(10, 4)
    digests = [hashlib.sha256(bytes([high, low])).hexdigest() for high in range(16) for low in range(256)]
    boxes = np.array([box for digest in digests for box in scheme.places(109, 59, 0, digest)])
    expected = len(boxes) / 10
    for column, room in ((0, 100), (1, 50)):
        counts, _ = np.histogram(boxes[:, column], bins=10, range=(0, room))
        assert np.abs(counts - expected).max() < 5 * expected**0.5


def test_a_painting_of_a_thousand_windows_gives_all_of_them():
    boxes = Crops(8, 1024).places(47, 41, 0, "00")
    assert len(set(boxes)) == 1024  # of 40 x 34 = 1,360


def painting_of(image: Image.Image) -> Painting:
    return Painting(np.asarray(image), *image.size)


def noise(width: int, height: int) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels, "RGB")


def test_a_crop_is_the_paintings_own_pixels():
    picture = noise(200, 100)
    crops = list(cut(painting_of(picture), Crops(64, 5), 0, "00"))
    assert [crop.index for crop in crops] == list(range(5))
    for crop in crops:
        left, top, right, bottom = map(int, crop.box)
        assert np.array_equal(crop.pixels, np.asarray(picture)[top:bottom, left:right])


@pytest.mark.parametrize(("width", "height"), [(40, 100), (100, 40), (40, 40), (8, 800)])
def test_a_small_painting_is_enlarged_until_the_window_fits(width, height):
    picture, scheme = noise(width, height), Crops(64, 4)
    assert scheme.is_enlarged(width, height)
    factor = 64 / min(width, height)
    enlarged = picture.resize((round(width * factor), round(height * factor)), Image.Resampling.LANCZOS)
    for crop in cut(painting_of(picture), scheme, 0, "00"):
        assert crop.pixels.shape == (64, 64, 3)
        left, top = (round(edge * factor, 6) for edge in crop.box[:2])
        if left.is_integer() and top.is_integer():  # windows that the enlarged painting has exactly
            same = enlarged.crop((int(left), int(top), int(left) + 64, int(top) + 64))
            assert largest_difference(Image.fromarray(crop.pixels), same) <= 2


def test_a_painting_as_large_as_the_window_is_not_enlarged():
    assert not Crops(64, 4).is_enlarged(64, 64)
    assert not Reshape(64).is_enlarged(64, 64)
    assert Crops(64, 4).is_enlarged(500, 63)


def test_reshaping_takes_the_whole_painting():
    (crop,) = cut(painting_of(scene(300, 200)), Reshape(32), 0, "00")
    assert (crop.box, crop.pixels.shape) == ((0, 0, 300, 200), (32, 32, 3))
    assert largest_difference(Image.fromarray(crop.pixels), scene(32, 32)) <= 10


def test_cropping_a_scaled_painting_is_refused():
    scaled = decode(saved(scene(800, 600), "JPEG"), at_least=100)
    with pytest.raises(ValueError, match=r"Expected a painting of \(800, 600\) pixels .* scaled to \(200, 150\)"):
        list(cut(scaled, Crops(64, 1), 0, "00"))


@given(st.integers(16, 700), st.integers(16, 700), st.integers(8, 300), st.booleans())
@settings(max_examples=50, deadline=None)
def test_scaled_decoding_keeps_the_least_size_and_the_true_one(width, height, least, turned):
    exif = Image.Exif()
    exif[0x0112] = 6 if turned else 1
    data = saved(Image.new("RGB", (height, width) if turned else (width, height)), "JPEG", exif=exif)
    painting = decode(data, at_least=least)
    assert (painting.width, painting.height) == (width, height)
    assert min(painting.image.size) >= min(least, width, height)
    assert (painting.image.size != (width, height)) == scales_down(data, width, height, least)


# --- Encoding --------------------------------------------------------------------------------------------------------


@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 2**32))
def test_raw_and_png_keep_every_pixel(width, height, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    assert encode(pixels, "raw") == pixels.tobytes()
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(encode(pixels, "png")))), pixels)


def test_jpeg_keeps_full_colour_resolution():
    data = encode(np.asarray(scene()), "jpeg")
    with Image.open(io.BytesIO(data)) as image:
        assert image.layer[0][1:3] == image.layer[1][1:3] == (1, 1)
    assert largest_difference(decode(data).image, scene()) <= 10


# --- Real paintings --------------------------------------------------------------------------------------------------


def test_real_paintings_reshape_alike_from_a_scaled_decode(originals):
    scheme = Reshape(256)
    differences = []
    for data in originals:
        (full,) = cut(decode(data), scheme, 0, "00")
        (fast,) = cut(decode(data, at_least=scheme.resolution), scheme, 0, "00")
        differences.append(np.abs(full.pixels.astype(int) - fast.pixels))
    assert np.mean(differences) <= 1.5
    assert np.percentile(differences, 99) <= 13
