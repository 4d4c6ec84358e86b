"""Any picture that Pillow has opened -> 8-bit sRGB on white."""

from __future__ import annotations

import functools
import io
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image, ImageChops, ImageCms, TiffImagePlugin

_BITS, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339  # tags of a TIFF (TIFF 6.0)
_WHITE_IS_ZERO = 0
_UNSIGNED = 1
_MAX_STAGES = 32  # of a chain in an ICC profile; sound ones have five


def is_srgb(image: Image.Image) -> bool:
    """Whether a picture's own gray or RGB values are what `to_rgb` would give."""
    if image.mode not in ("L", "RGB") or image.has_transparency_data:
        return False
    profile = image.info.get("icc_profile")
    return not profile or _to_srgb(profile, image.mode) is None


def to_rgb(image: Image.Image) -> Image.Image:
    """An 8-bit sRGB picture without alpha. A plain RGB image is returned as it is, not copied.

    Raises:
      ValueError: a picture of floats in which no value is a number.
    """
    profile = image.info.get("icc_profile")
    if image.mode == "CMYK" and image.format == "JPEG" and "adobe" not in image.info:
        image = ImageChops.invert(image)  # Pillow inverts every CMYK JPEG, as Adobe's are; others store ink as it is
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        image = _to_eight_bits(image)
    if image.has_transparency_data:
        image = _on_white(image)
    elif image.mode not in ("RGB", "L", "CMYK", "LAB"):
        image = image.convert("RGB")
    if image.mode == "LAB":
        return ImageCms.buildTransform(ImageCms.createProfile("LAB"), _SRGB, "LAB", "RGB").apply(image)
    if profile and (transform := _to_srgb(profile, image.mode)):
        if image.mode == "RGB":
            transform.apply_in_place(image)
            return image
        return transform.apply(image)
    return image if image.mode == "RGB" else image.convert("RGB")


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """A deep grayscale picture scaled to 8 bits: black is 0, or white is where a TIFF says so.

    Files do not say what the other end is in 32-bit pictures: it is taken to be the smallest of 1 (floats only), 255,
    65535, 2**31 - 1 and 2**32 - 1 that no pixel exceeds. What is no number is black, as masks are.
    """
    tags: Mapping[int, Any] = image.tag_v2 if isinstance(image, TiffImagePlugin.TiffImageFile) else {}
    deep = image if image.mode in ("I", "F") else image.convert("I")
    far = 65535.0
    if image.mode in ("I", "F"):
        levels = (1.0, 255.0, 65535.0) if image.mode == "F" else (255.0, 65535.0)
        deep = _finite(deep) if image.mode == "F" else _unsigned(deep) if _is_unsigned(tags) else deep
        brightest = max(map(float, deep.getextrema()))  # type: ignore[arg-type]  # one band: two numbers
        far = next((level for level in (*levels, 2.0**31 - 1) if brightest <= level), 2.0**32 - 1)
    elif tags:
        far = 2.0 ** tags.get(_BITS, (16,))[0] - 1  # Pillow leaves 12 bits as they are
    scaled = deep.convert("F").point(lambda value: value * (255 / far) + 0.5).convert("L")
    return ImageChops.invert(scaled) if tags and tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO else scaled


def _finite(image: Image.Image) -> Image.Image:
    """A picture of floats with 0 for what is no number, and its least and greatest number for the infinite."""
    values = np.asarray(image)
    finite = np.isfinite(values)
    if finite.all():
        return image
    if not finite.any():
        raise ValueError("no value of the picture is a number")
    numbers = values[finite]
    return Image.fromarray(np.nan_to_num(values, nan=0, posinf=numbers.max(), neginf=numbers.min()))


def _is_unsigned(tags: Mapping[int, Any]) -> bool:
    return bool(tags) and tags.get(_BITS) == (32,) and tags.get(_SAMPLE_FORMAT, (_UNSIGNED,)) == (_UNSIGNED,)


def _unsigned(image: Image.Image) -> Image.Image:
    """Floats: Pillow takes 32-bit integers for signed ones."""
    return Image.fromarray(np.asarray(image).view(np.uint32).astype(np.float32))


def _on_white(image: Image.Image) -> Image.Image:
    """L or RGB: a picture with alpha, or with a transparent palette entry or colour, laid on white.

    Gray stays gray, which a gray profile can be applied to. Of a picture that is nowhere opaque the alpha is left out:
    programs write zeros there that have none (BMP, TIFF).
    """
    gray = image.mode in ("L", "LA", "La")
    rgba = image.convert("RGBA")
    alpha = rgba.getchannel("A")
    plain = image.convert("LA").getchannel("L") if gray else rgba.convert("RGB")
    if alpha.getextrema() == (0, 0):
        return plain
    white = Image.new(plain.mode, plain.size, "white")
    white.paste(plain, mask=alpha)
    return white


_SRGB = ImageCms.createProfile("sRGB")
_LEVELS = range(0, 256, 17)
_COLOURS = bytes(value for red in _LEVELS for green in _LEVELS for blue in _LEVELS for value in (red, green, blue))


@functools.lru_cache(maxsize=16)
def _to_srgb(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """The transform from a profile's colours to sRGB, as Photoshop does it by default.

    None where the profile is broken, made to keep a decoder busy or for other channels than `mode` has, and where it
    is sRGB already, by whatever name: no colour of a cube of 16 x 16 x 16 changes by more than 2 of 255.
    """
    if _is_chain(profile):
        return None
    probe = Image.frombytes("RGB", (256, 16), _COLOURS).convert(mode)
    try:
        transform = ImageCms.buildTransform(
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            _SRGB,
            mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
        seen = transform.apply(probe)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
    change = ImageChops.difference(seen, probe.convert("RGB"))
    return transform if max(change.tobytes()) > 2 else None


def _is_chain(profile: bytes) -> bool:
    """Whether a tag of an ICC profile chains more steps than any sound one (ICC.2:2019, multiProcessElementsType).

    Thousands of steps fit in a few kilobytes, since they may share their bytes, and each is computed for every pixel.
    """
    count = min(int.from_bytes(profile[128:132]), len(profile) // 12)
    for at in range(132, 132 + 12 * count, 12):
        if len(profile) < at + 12:
            return False
        (start,) = struct.unpack(">I", profile[at + 4 : at + 8])
        if profile[start : start + 4] == b"mpet" and int.from_bytes(profile[start + 12 : start + 16]) > _MAX_STAGES:
            return True
    return False
