import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageChops, ImageCms

from pipeline.pictures import colour
from pipeline.pictures.decode import decode
from pipeline.pictures.fault import ImageError
from tests.pipeline.pictures.scenes import largest_difference, png, saved, scene


def test_every_mode_becomes_rgb():
    gray, palette = scene().convert("L"), scene().convert("P")
    half_clear = palette.copy()
    half_clear.putalpha(255)
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    cases = {
        "1": (saved(gray.convert("1"), "TIFF"), gray.convert("1"), 0),
        "L": (saved(gray, "TIFF"), gray, 0),
        "LA": (saved(gray.convert("LA"), "TIFF"), gray, 0),
        "I": (saved(gray.convert("I"), "TIFF"), gray, 0),
        "F": (saved(gray.convert("F"), "TIFF"), gray, 0),
        "P": (saved(palette, "TIFF"), palette, 0),
        "PA": (saved(half_clear, "TIFF"), palette, 0),
        "RGBA": (saved(scene().convert("RGBA"), "TIFF"), scene(), 0),
        "CMYK": (saved(scene().convert("CMYK"), "TIFF"), scene(), 0),
        "YCbCr": (saved(scene().convert("YCbCr"), "TIFF", compression="jpeg", quality=95), scene(), 10),
        "LAB": (saved(ImageCms.profileToProfile(scene(), srgb, lab, outputMode="LAB"), "TIFF"), scene(), 14),
    }
    for mode, (data, expected, tolerance) in cases.items():
        assert largest_difference(decode(data).image, expected.convert("RGB")) <= tolerance, mode


@pytest.mark.parametrize(
    ("picture", "form"),
    [
        (np.array([[0, 32768, 65535]], np.uint16), "PNG"),
        (np.array([[0, 32768, 65535]], np.uint16), "TIFF"),
        (np.array([[0, 32768, 65535]], np.int32), "TIFF"),
        (np.array([[0, 2**30, 2**31 - 1]], np.int32), "TIFF"),
        (np.array([[0, 0.5, 1]], np.float32), "TIFF"),
        (np.array([[0, 128, 255]], np.float32), "TIFF"),
        (np.array([[0, 32768, 65535]], np.float32), "TIFF"),
    ],
)
def test_deep_grays_are_scaled_not_clipped(picture, form):
    data = saved(Image.fromarray(np.repeat(np.repeat(picture, 8, 0), 8, 1)), form)
    row = np.asarray(decode(data).image)[0, ::8]
    assert row.tolist() == [[0] * 3, [128] * 3, [255] * 3]


TAGS = {"photometric": 262, "sample_format": 339}


def deep_tiff(values: np.ndarray, **tags: int) -> bytes:
    """A TIFF of one row of blocks of 8 x 8 pixels; `tags` are put where Pillow has written others."""
    data = bytearray(saved(Image.fromarray(np.repeat(np.repeat(values[None], 8, 0), 8, 1)), "TIFF"))
    for name, value in tags.items():
        entry = data.index(struct.pack("<HHI", TAGS[name], 3, 1))
        data[entry + 8 : entry + 10] = struct.pack("<H", value)
    return bytes(data)


@pytest.mark.parametrize(
    ("values", "tags", "expected"),
    [
        (np.array([0, 32768, 65535], np.uint16), {"photometric": 0}, [255, 127, 0]),
        (np.array([0, 0.5, 1], np.float32), {"photometric": 0}, [255, 127, 0]),
        (np.array([0, 2**31, 2**32 - 1], np.uint32).view(np.int32), {"sample_format": 1}, [0, 128, 255]),
        (np.array([np.nan, 0.5, 1], np.float32), {}, [0, 128, 255]),
        (np.array([-np.inf, 0, 0.5, 1, np.inf], np.float32), {}, [0, 0, 128, 255, 255]),
    ],
)
def test_a_deep_tiff_is_what_viewers_show(values, tags, expected):
    assert np.asarray(decode(deep_tiff(values, **tags)).image)[0, ::8, 0].tolist() == expected


def test_twelve_bits_are_white_at_4095():
    data = bytearray(deep_tiff(np.array([0, 2048, 4095], np.uint16)))
    packed = b"".join(bytes(((a >> 4), (a & 15) << 4 | b >> 8, b & 255)) for a, b in [(0, 0)] * 4 + [(2048, 2048)] * 4)
    packed += bytes.fromhex("ffffff") * 4
    with Image.open(io.BytesIO(data)) as image:
        at = image.tag_v2[273][0]
    data[at:] = packed * 8
    entry = data.index((258).to_bytes(2, "little") + (3).to_bytes(2, "little"))
    data[entry + 8 : entry + 10] = (12).to_bytes(2, "little")
    length = data.index((279).to_bytes(2, "little"), data.index((278).to_bytes(2, "little")))
    data[length + 8 : length + 12] = len(packed * 8).to_bytes(4, "little")
    assert np.asarray(decode(bytes(data)).image)[0, ::8, 0].tolist() == [0, 128, 255]


def test_floats_without_a_number_are_refused():
    with pytest.raises(ImageError, match="no value of the picture is a number"):
        decode(deep_tiff(np.full(3, np.nan, np.float32)))


@pytest.mark.parametrize("form", ["BMP", "TIFF", "PNG"])
def test_a_picture_that_is_nowhere_opaque_is_shown_without_its_alpha(form):
    picture = scene().convert("RGBA")
    picture.putalpha(0)
    data = saved(picture, form)
    assert decode(data).image.tobytes() == scene().tobytes()


@pytest.mark.parametrize("mode", ["LA", "L"])
def test_a_gray_profile_is_applied_with_or_without_alpha(mode):
    picture = scene().convert("L")
    data = saved(picture.convert(mode), "PNG", icc_profile=gray_profile(1.0))
    expected = saved(picture, "PNG", icc_profile=gray_profile(1.0))
    assert largest_difference(decode(data).image, decode(expected).image) == 0
    assert largest_difference(decode(data).image, picture.convert("RGB")) > 20


def gray_profile(gamma: float) -> bytes:
    """An ICC profile of one channel (ICC.1:2010, 8.3)."""
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)
    start = 132 + 2 * 12
    tags = struct.pack(">I4sII4sII", 2, b"wtpt", start, 20, b"kTRC", start + 20, len(curve))
    head = struct.pack(">I4sI4s4s4s", start + 20 + len(curve), b"none", 0x02400000, b"mntr", b"GRAY", b"XYZ ")
    head += struct.pack(">6H4s", 2000, 1, 1, 0, 0, 0, b"acsp") + bytes(28) + white[8:]
    return head.ljust(128, b"\0") + tags + white + curve


def test_a_profile_of_thousands_of_steps_is_left_out():
    step = b"matf\0\0\0\0" + struct.pack(">HH12f", 3, 3, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0)
    chain = (
        b"mpet\0\0\0\0" + struct.pack(">HHI", 3, 3, 5000) + struct.pack(">II", 16 + 8 * 5000, len(step)) * 5000 + step
    )
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[132 + 4 : 132 + 12] = struct.pack(">II", len(profile), len(chain))
    profile[:4] = struct.pack(">I", len(profile) + len(chain))
    data = saved(scene(), "PNG", icc_profile=bytes(profile) + chain)
    assert decode(data).image.tobytes() == scene().tobytes()


@pytest.mark.parametrize(("colour", "pixel"), [(2, (65535, 32896, 0)), (6, (65535, 32896, 0, 65535))])
def test_sixteen_bit_colour_is_read(colour, pixel):
    row = b"\0" + struct.pack(f">{len(pixel)}H", *pixel) * 8
    assert decode(png(8, 8, 16, colour, row * 8)).image.getpixel((4, 4)) == (255, 128, 0)


def test_alpha_is_laid_on_white():
    picture = Image.new("RGBA", (16, 16), (200, 0, 0, 0))
    picture.paste((0, 0, 200, 255), (0, 0, 8, 16))
    picture.paste((0, 0, 0, 128), (0, 0, 8, 8))
    image = decode(saved(picture, "PNG")).image
    assert image.getpixel((12, 12)) == (255, 255, 255)
    assert image.getpixel((4, 12)) == (0, 0, 200)
    assert image.getpixel((4, 4)) == (127, 127, 127)


@pytest.mark.parametrize("form", ["PNG", "GIF"])
def test_a_transparent_palette_entry_is_laid_on_white(form):
    picture = Image.new("P", (16, 16), 1)
    picture.putpalette([0, 0, 0, 10, 200, 30])
    picture.paste(0, (0, 0, 8, 16))
    image = decode(saved(picture, form, transparency=0)).image
    assert (image.getpixel((2, 2)), image.getpixel((12, 12))) == ((255, 255, 255), (10, 200, 30))


def test_a_transparent_colour_is_laid_on_white():
    picture = Image.new("RGB", (16, 16), (1, 2, 3))
    picture.paste((90, 80, 70), (0, 0, 8, 16))
    image = decode(saved(picture, "PNG", transparency=(1, 2, 3))).image
    assert (image.getpixel((2, 2)), image.getpixel((12, 12))) == ((90, 80, 70), (255, 255, 255))


# --- Ink and profiles ------------------------------------------------------------------------------------------------


def without_segment(jpeg: bytes, marker: int) -> bytes:
    start = jpeg.index(bytes((0xFF, marker)))
    return jpeg[:start] + jpeg[start + 2 + int.from_bytes(jpeg[start + 2 : start + 4]) :]


def inks() -> Image.Image:
    """CMYK with something on every plate."""
    cyan, magenta, yellow = ImageChops.invert(scene()).split()
    return Image.merge("CMYK", (cyan, magenta, yellow, scene().getchannel("G").point(lambda value: value // 4)))


def test_an_adobe_cmyk_jpeg_has_its_inks_the_right_way_round():
    data = saved(inks(), "JPEG", quality=100, subsampling=0)  # Pillow writes Adobe's marker and inverts, as Adobe does
    assert b"Adobe" in data
    assert largest_difference(decode(data).image, inks().convert("RGB")) <= 10


def test_a_cmyk_jpeg_without_adobes_marker_is_not_inverted():
    data = without_segment(saved(ImageChops.invert(inks()), "JPEG", quality=100, subsampling=0), 0xEE)
    assert b"Adobe" not in data
    assert largest_difference(decode(data).image, inks().convert("RGB")) <= 10


def test_a_ycck_jpeg_is_read():
    cyan, magenta, yellow, black = inks().split()
    luma, blue, red = Image.merge("RGB", (cyan, magenta, yellow)).convert("YCbCr").split()
    stored = Image.merge("CMYK", (luma, blue, red, ImageChops.invert(black)))
    data = bytearray(saved(ImageChops.invert(stored), "JPEG", quality=100, subsampling=0))
    transform = data.index(b"Adobe") + 11
    assert data[transform] == 0
    data[transform] = 2  # YCCK
    assert largest_difference(decode(bytes(data)).image, inks().convert("RGB")) <= 10


def s15fixed16(*values: float) -> bytes:
    return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))


def profile_with(changes: dict[bytes, bytes], renamed: dict[bytes, bytes] | None = None) -> bytes:
    """The sRGB profile with some tags overwritten (the data begins with its type) or renamed."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for entry in range(132, 132 + 12 * int.from_bytes(data[128:132]), 12):
        tag = bytes(data[entry : entry + 4])
        offset, size = struct.unpack_from(">II", data, entry + 4)
        if tag in changes:
            assert len(changes[tag]) <= size
            data[offset : offset + len(changes[tag])] = changes[tag]
        if renamed and tag in renamed:
            data[entry : entry + 4] = renamed[tag]
    return bytes(data)


SRGB = profile_with({})
DISPLAY_P3 = profile_with(  # colorants adapted to D50, as Apple's profile has them
    {
        b"rXYZ": b"XYZ \0\0\0\0" + s15fixed16(0.51512, 0.24120, -0.00105),
        b"gXYZ": b"XYZ \0\0\0\0" + s15fixed16(0.29198, 0.69225, 0.04189),
        b"bXYZ": b"XYZ \0\0\0\0" + s15fixed16(0.15710, 0.06657, 0.78407),
    }
)
RED_IS_GREEN = profile_with({}, {b"rXYZ": b"gXYZ", b"gXYZ": b"rXYZ"})


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_an_embedded_profile_is_applied(form):
    options = {"lossless": True} if form == "WEBP" else {"quality": 100} if form == "JPEG" else {}
    data = saved(Image.new("RGB", (16, 16), (220, 40, 90)), form, icc_profile=RED_IS_GREEN, **options)
    red, green, blue = decode(data).image.getpixel((8, 8))
    assert abs(red - 40) <= 3
    assert abs(green - 220) <= 3
    assert abs(blue - 90) <= 3


def test_wide_gamut_colours_become_the_srgb_colours_that_look_the_same():
    colour = np.array([180, 120, 100])
    linear = np.where(colour / 255 <= 0.04045, colour / 255 / 12.92, ((colour / 255 + 0.055) / 1.055) ** 2.4)
    # https://www.w3.org/TR/css-color-4/#color-conversion-code: Display P3 -> XYZ -> sRGB, multiplied out
    to_srgb = np.array(
        [[1.2249402, -0.2249402, 0.0], [-0.0420570, 1.0420570, 0.0], [-0.0196376, -0.0786361, 1.0982735]]
    )
    seen = to_srgb @ linear
    expected = 255 * (1.055 * seen ** (1 / 2.4) - 0.055)
    data = saved(Image.new("RGB", (16, 16), tuple(colour.tolist())), "PNG", icc_profile=DISPLAY_P3)
    assert np.abs(np.array(decode(data).image.getpixel((8, 8))) - expected).max() <= 1.5


def test_a_gray_profile_is_applied():
    linear = b"curv\0\0\0\0\0\0\0\0"
    profile = bytearray(profile_with({b"rTRC": linear}, {b"rTRC": b"kTRC"}))
    profile[16:20] = b"GRAY"
    data = saved(Image.new("L", (16, 16), 128), "PNG", icc_profile=bytes(profile))
    assert abs(decode(data).image.getpixel((8, 8))[0] - 188) <= 2  # half the light is 188 in sRGB


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_an_srgb_profile_changes_nothing(form):
    profiled = saved(scene(), form, icc_profile=SRGB)
    assert decode(profiled).image.tobytes() == decode(saved(scene(), form)).image.tobytes()
    with Image.open(io.BytesIO(profiled)) as image:
        assert colour.is_srgb(image)


@pytest.mark.parametrize("profile", [b"rubbish", DISPLAY_P3[:200], b"\0" * 500])
def test_a_broken_profile_is_ignored(profile):
    assert decode(saved(scene(), "PNG", icc_profile=profile)).image.tobytes() == scene().tobytes()


def test_a_profile_for_other_channels_is_ignored():
    gray = scene().convert("L")
    assert decode(saved(gray, "PNG", icc_profile=RED_IS_GREEN)).image.tobytes() == gray.convert("RGB").tobytes()
