"""What a file tells of the photograph."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from pipeline.pictures.decode import decode
from pipeline.pictures.photograph import Photograph, look


def facts(image: Image.Image, form: str, **saved: object) -> Photograph:
    stream = io.BytesIO()
    image.save(stream, form, **saved)
    return look(stream.getvalue(), decode(stream.getvalue(), gray=True).pixels)


@pytest.fixture(scope="module")
def noise() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8))


def test_coarser_compression_is_seen_of_jpeg_alone(noise: Image.Image) -> None:
    coarse, fine, none = facts(noise, "JPEG", quality=30), facts(noise, "JPEG", quality=95), facts(noise, "PNG")
    assert coarse.compression > fine.compression > none.compression == 0


def test_a_profile_and_exif_are_seen(noise: Image.Image) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    for form in ("JPEG", "PNG"):
        plain, rich = facts(noise, form), facts(noise, form, icc_profile=profile, exif=exif)
        assert (plain.profile, plain.exif) == (False, False)
        assert (rich.profile, rich.exif) == (True, True)


def test_uniform_borders_are_counted(noise: Image.Image) -> None:
    assert facts(noise, "PNG").border == 0
    framed = Image.new("RGB", (100, 100), "white")
    framed.paste(noise, (10, 0))
    found = facts(framed, "PNG")
    assert found.border == 3  # not above, where the picture ends
    assert found.gray > facts(noise, "PNG").gray


def test_a_header_that_pillow_refuses_tells_nothing_and_costs_no_painting(noise: Image.Image) -> None:
    stream = io.BytesIO()
    notes = PngImagePlugin.PngInfo()
    notes.add_text("much", "x" * (4 << 20), zip=True)
    noise.save(stream, "PNG", pnginfo=notes)
    painting = decode(stream.getvalue(), gray=True)
    found = look(stream.getvalue(), painting.pixels)
    assert (found.compression, found.profile, found.exif) == (0, False, False)
    assert found.gray > 0
