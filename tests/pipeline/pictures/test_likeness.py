"""Perceptual hashes: near for copies, far for other paintings."""

import itertools

import imagehash
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageOps

from pipeline.pictures import likeness
from pipeline.pictures.decode import decode
from pipeline.pictures.likeness import Likeness
from pipeline.plan import near, search
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
    edge = (round(0.06 * width), round(0.06 * height))
    return {
        "recompressed": saved(picture, "JPEG", quality=60),
        "halved": saved(picture.resize((width // 2, height // 2), Image.Resampling.LANCZOS), "JPEG", quality=90),
        "brightened": saved(picture.point(lambda value: min(255, round(value * 1.1))), "JPEG", quality=90),
        "gray": saved(picture.convert("L"), "PNG"),
        "cropped": saved(picture.crop((*edge, width - edge[0], height - edge[1])), "JPEG", quality=90),
        "framed": saved(ImageOps.expand(picture, round(0.05 * height), "brown"), "JPEG", quality=90),
        "mirrored": saved(ImageOps.mirror(picture), "JPEG", quality=90),
    }


def look(data: bytes) -> Likeness:
    return likeness.likeness(decode(data, at_least=likeness.RESOLUTION, gray=True).image)


def are_copies(one: bytes, other: bytes) -> bool:
    seen = look(one), look(other)
    hashes = [list(bytes.fromhex(each.hash)) for each in seen]
    inner = [list(bytes.fromhex(each.inner)) for each in seen]
    looks = near.Looks(np.arange(2), np.stack([likeness.read_look(each.look) for each in seen]))
    found = search.find(np.array(hashes, np.uint8), np.array(inner, np.uint8))
    return bool(len(found.same) or near.confirm(found.candidates, looks))


def test_altered_copies_are_near_and_other_pictures_are_not():
    originals = [composition(seed) for seed in range(8)]
    files = [saved(picture, "JPEG", quality=95) for picture in originals]
    for picture, file in zip(originals, files, strict=True):
        for what, data in altered(picture).items():
            assert are_copies(file, data), what
    assert not any(are_copies(one, other) for one, other in itertools.combinations(files, 2))


def test_a_second_look_of_a_mirrored_picture_is_the_mirrored_second_look():
    picture = composition(3)
    one, other = (
        likeness.read_look(look(saved(each, "PNG")).look)[None] for each in (picture, ImageOps.mirror(picture))
    )
    assert likeness.compare_looks(one, other, mirror=True) > 0.99
    assert likeness.compare_looks(one, one) == pytest.approx(1)
    assert likeness.compare_looks(one, other) < 0.5
    with pytest.raises(ValueError, match="144 bytes, not 3"):
        likeness.read_look("AAAA")


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
    found = [are_copies(data, copy) for data in originals for copy in altered(decode(data).image).values()]
    assert np.mean(found) >= 0.98
