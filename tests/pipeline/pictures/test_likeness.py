"""Perceptual hashes: near for copies, far for other paintings."""

import imagehash
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from pipeline.pictures import likeness
from pipeline.pictures.decode import decode
from tests.pipeline.pictures.scenes import saved, scene


def bits_apart(one: str, other: str) -> int:
    return (int(one, 16) ^ int(other, 16)).bit_count()


def composition(seed: int) -> Image.Image:
    """A few dozen ellipses."""
    random = np.random.default_rng(seed)
    picture = Image.new("RGB", (500, 400), tuple(random.integers(0, 256, 3).tolist()))
    draw = ImageDraw.Draw(picture)
    for _ in range(40):
        x, y, width, height = random.integers(0, (500, 400, 200, 200)).tolist()
        draw.ellipse((x, y, x + width, y + height), fill=tuple(random.integers(0, 256, 3).tolist()))
    return picture


def altered(picture: Image.Image) -> dict[str, bytes]:
    width, height = picture.size
    edge = (round(0.02 * width), round(0.02 * height))
    return {
        "recompressed": saved(picture, "JPEG", quality=60),
        "halved": saved(picture.resize((width // 2, height // 2), Image.Resampling.LANCZOS), "JPEG", quality=90),
        "brightened": saved(picture.point(lambda value: min(255, round(value * 1.1))), "JPEG", quality=90),
        "gray": saved(picture.convert("L"), "PNG"),
        "cropped": saved(picture.crop((*edge, width - edge[0], height - edge[1])), "JPEG", quality=90),
    }


def hash_of(data: bytes) -> str:
    return likeness.perceptual_hash(decode(data, at_least=likeness.RESOLUTION, gray=True).image)


def test_altered_copies_are_near_and_other_pictures_are_not():
    originals = [composition(seed) for seed in range(8)]
    hashes = [hash_of(saved(picture, "JPEG", quality=95)) for picture in originals]
    assert all(len(value) == 64 for value in hashes)
    for picture, value in zip(originals, hashes, strict=True):
        for what, data in altered(picture).items():
            assert bits_apart(value, hash_of(data)) <= likeness.NEAR_COPY_BITS, what
    pairs = [(one, other) for index, one in enumerate(hashes) for other in hashes[:index]]
    assert min(bits_apart(one, other) for one, other in pairs) > likeness.NEAR_COPY_BITS


@given(st.integers(0, 2**32), st.integers(8, 600), st.integers(8, 600))
@settings(max_examples=50, deadline=None)
def test_the_hash_is_imagehashs_but_for_frequencies_as_strong_as_the_median(seed, width, height):
    picture = composition(seed).resize((width, height))
    other = str(imagehash.phash(picture, hash_size=16))
    assert bits_apart(likeness.perceptual_hash(picture), other) <= 2


def test_pictures_without_any_detail_are_alike():
    hashes = {likeness.perceptual_hash(Image.new("L", (100, 80), shade)) for shade in (1, 90, 255)}
    assert len(hashes) == 1


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_picture_decoded_in_gray_hashes_as_in_colour(kind):
    data = saved(scene(400, 300), kind)
    gray = decode(data, at_least=likeness.RESOLUTION, gray=True)
    assert gray.pixels.ndim == 2
    assert gray.pixels.dtype == np.uint8
    colour = decode(data, at_least=likeness.RESOLUTION)
    assert bits_apart(likeness.perceptual_hash(gray.image), likeness.perceptual_hash(colour.image)) <= 4


# --- Real paintings --------------------------------------------------------------------------------------------------


def test_altered_copies_of_real_paintings_are_near(originals):
    near = [
        bits_apart(hash_of(data), hash_of(copy)) <= likeness.NEAR_COPY_BITS
        for data in originals
        for copy in altered(decode(data).image).values()
    ]
    assert np.mean(near) >= 0.97
