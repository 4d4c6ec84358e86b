"""Any picture that Pillow has opened -> 8-bit sRGB on white."""

from __future__ import annotations

import functools
import io

from PIL import Image, ImageChops, ImageCms


def is_srgb(image: Image.Image) -> bool:
    """Whether a picture's own gray or RGB values are what `to_rgb` would give."""
    if image.mode not in ("L", "RGB") or image.has_transparency_data:
        return False
    profile = image.info.get("icc_profile")
    return not profile or _to_srgb(profile, image.mode) is None


def to_rgb(image: Image.Image) -> Image.Image:
    """An 8-bit sRGB picture without alpha. A plain RGB image is returned as it is, not copied."""
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
    """A deep grayscale picture scaled to 8 bits.

    Files do not say what white is in 32-bit pictures: it is taken to be the smallest of 1 (floats only), 255, 65535
    and 2**31 - 1 that no pixel exceeds.
    """
    deep = image if image.mode in ("I", "F") else image.convert("I")
    white = 65535.0
    if image.mode in ("I", "F"):
        brightest = max(map(float, deep.getextrema()))  # type: ignore[arg-type]  # one band: two numbers
        levels = (1.0, 255.0, 65535.0) if image.mode == "F" else (255.0, 65535.0)
        white = next((level for level in levels if brightest <= level), 2.0**31 - 1)
    scaled = deep.convert("F").point(lambda value: value * (255 / white) + 0.5)
    return scaled.convert("L")


def _on_white(image: Image.Image) -> Image.Image:
    """RGB: a picture with alpha, or with a transparent palette entry or colour, laid on white."""
    rgba = image.convert("RGBA")
    white = Image.new("RGB", rgba.size, "white")
    white.paste(rgba, mask=rgba.getchannel("A"))
    return white


_SRGB = ImageCms.createProfile("sRGB")
_LEVELS = range(0, 256, 17)
_COLOURS = bytes(value for red in _LEVELS for green in _LEVELS for blue in _LEVELS for value in (red, green, blue))


@functools.lru_cache(maxsize=16)
def _to_srgb(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """The transform from a profile's colours to sRGB, as Photoshop does it by default.

    None where the profile is broken or made for other channels than `mode` has, and where it is sRGB already, by
    whatever name: no colour of a cube of 16 x 16 x 16 changes by more than 2 of 255.
    """
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
