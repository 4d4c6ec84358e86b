import concurrent.futures
import hashlib
import io
import os
import pickle
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageCms, ImageDraw, ImageFile

from pipeline import images
from pipeline.images import ImageError, decode
from pipeline.records import Scheme

REASONS = {
    images.EMPTY,
    images.NOT_AN_IMAGE,
    images.UNSUPPORTED,
    images.TRUNCATED,
    images.DAMAGED,
    images.TOO_MANY_PIXELS,
    images.ABSURD_DIMENSIONS,
    images.OUT_OF_MEMORY,
}


def scene(width: int = 48, height: int = 32) -> Image.Image:
    """A smooth picture without symmetry, which JPEG keeps to a few levels."""
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    channels = (40 + 200 * x, 230 - 180 * y, 60 + 150 * x * y)
    return Image.fromarray(np.stack(channels, axis=-1).round().astype(np.uint8), "RGB")


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def largest_difference(one: Image.Image, other: Image.Image) -> int:
    assert (one.mode, one.size) == (other.mode, other.size)
    return max(ImageChops.difference(one, other).tobytes())


# --- What is accepted ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "options", "tolerance"),
    [
        ("JPEG", {"quality": 95}, 10),
        ("JPEG", {"quality": 95, "progressive": True}, 10),
        ("MPO", {"quality": 95}, 10),
        ("PNG", {}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("BMP", {}, 0),
        ("TIFF", {}, 0),
        ("TIFF", {"compression": "tiff_lzw"}, 0),
        ("GIF", {}, 20),
    ],
)
def test_every_promised_format_is_opened_by_content(form, options, tolerance):
    painting = decode(saved(scene(), form, **options))
    assert (painting.width, painting.height) == (48, 32)
    assert largest_difference(painting.image, scene()) <= tolerance


def test_a_plain_jpeg_is_decoded_without_a_copy():
    assert isinstance(decode(saved(scene(), "JPEG")).image, ImageFile.ImageFile)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["PNG", "TIFF", "WEBP", "JPEG"])
def test_every_exif_orientation_is_turned_upright(form, orientation):
    undo = {6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
    turn = undo.get(orientation, images._TURNS.get(orientation))
    stored = scene() if turn is None else scene().transpose(turn)
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if form == "WEBP" else {"quality": 95} if form == "JPEG" else {}
    painting = decode(saved(stored, form, exif=exif, **options))
    assert (painting.width, painting.height) == (48, 32)
    assert largest_difference(painting.image, scene()) <= (10 if form == "JPEG" else 0)


def test_a_broken_exif_block_does_not_cost_the_picture():
    painting = decode(saved(scene(), "PNG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff rubbish"))
    assert painting.image.tobytes() == scene().tobytes()


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


def png(width: int, height: int, depth: int, colour: int, rows: bytes) -> bytes:
    """A PNG of any bit depth, which Pillow cannot write."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            chunk(b"IDAT", zlib.compress(rows)),
            chunk(b"IEND", b""),
        )
    )


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


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_an_animation_the_first_frame_counts(form):
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "lime", "blue")]
    options = {"lossless": True} if form == "WEBP" else {}
    data = saved(frames[0], form, save_all=True, append_images=frames[1:], **options)
    assert decode(data).image.getpixel((8, 8)) == (255, 0, 0)


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


def test_an_srgb_profile_changes_nothing_and_costs_no_copy():
    image = decode(saved(scene(), "PNG", icc_profile=SRGB)).image
    assert isinstance(image, ImageFile.ImageFile)
    assert image.tobytes() == scene().tobytes()


@pytest.mark.parametrize("profile", [b"rubbish", DISPLAY_P3[:200], b"\0" * 500])
def test_a_broken_profile_is_ignored(profile):
    assert decode(saved(scene(), "PNG", icc_profile=profile)).image.tobytes() == scene().tobytes()


def test_a_profile_for_other_channels_is_ignored():
    gray = scene().convert("L")
    assert decode(saved(gray, "PNG", icc_profile=RED_IS_GREEN)).image.tobytes() == gray.convert("RGB").tobytes()


# --- What is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", images.EMPTY),
        (b"This is no picture.", images.NOT_AN_IMAGE),
        (b"<!DOCTYPE html><html><body>404</body></html>", images.NOT_AN_IMAGE),
        (b"\0" * 4096, images.NOT_AN_IMAGE),
        (b"8BPS\0\1" + b"\0" * 100, images.UNSUPPORTED),
        (b"\0\0\0\x20ftypavif" + b"\0" * 100, images.UNSUPPORTED),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", images.UNSUPPORTED),
        (png(60_000, 60_000, 8, 2, b""), images.TOO_MANY_PIXELS),
        (png(1, 1, 8, 2, b"\0\1\2\3"), images.ABSURD_DIMENSIONS),
        (png(100_000, 10, 8, 2, b""), images.ABSURD_DIMENSIONS),
        (png(10, 100_000, 8, 2, b""), images.ABSURD_DIMENSIONS),
        (png(7, 200, 8, 2, b""), images.ABSURD_DIMENSIONS),
        (b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\x08", images.TOO_MANY_PIXELS),
        (b"\xff\xd8\xff", images.TRUNCATED),
        (saved(scene(), "JPEG")[:-40], images.TRUNCATED),
        (saved(scene(), "PNG")[:60], images.TRUNCATED),
        (saved(scene(), "PNG").replace(b"IDAT", b"IDOT"), images.DAMAGED),
    ],
)
def test_a_bad_file_has_its_reason(data, reason):
    with pytest.raises(ImageError) as caught:
        decode(data)
    assert caught.value.reason == reason
    assert str(caught.value).startswith(f"{reason}: ")


def test_the_pixel_limit_is_the_callers_and_is_judged_before_decoding():
    header_only = png(400, 300, 8, 2, b"")
    with pytest.raises(ImageError, match=r"400 x 300 is 120,000 pixels; the limit is 119,999"):
        decode(header_only, max_pixels=119_999)
    with pytest.raises(ImageError) as caught:
        decode(header_only, max_pixels=120_000)
    assert caught.value.reason != images.TOO_MANY_PIXELS


def test_a_limit_above_pillows_own_is_honoured():
    width, height = 20_000, 9_000  # Pillow refuses more than 178,956,970 pixels
    with pytest.raises(ImageError) as caught:
        decode(png(width, height, 1, 0, b""), max_pixels=width * height)
    assert caught.value.reason in (images.TRUNCATED, images.DAMAGED)


FILES = {
    "jpeg": saved(scene(), "JPEG"),
    "progressive": saved(scene(), "JPEG", progressive=True),
    "cmyk": saved(scene().convert("CMYK"), "JPEG"),
    "mpo": saved(scene(), "MPO", save_all=True, append_images=[scene()]),
    "png": saved(scene(), "PNG", icc_profile=DISPLAY_P3),
    "palette": saved(scene().convert("P"), "PNG"),
    "webp": saved(scene(), "WEBP"),
    "gif": saved(scene(), "GIF", save_all=True, append_images=[ImageChops.invert(scene())]),
    "bmp": saved(scene(16, 12), "BMP"),
    "tiff": saved(scene(16, 12), "TIFF"),
    "tiff_lzw": saved(scene(16, 12), "TIFF", compression="tiff_lzw"),
}


def pixels_or_reason(data: bytes) -> bytes | str:
    try:
        return decode(data).image.tobytes()
    except ImageError as error:
        return error.reason


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, on torn TIFF files
@pytest.mark.parametrize("kind", FILES)
def test_a_file_cut_anywhere_is_refused_or_whole(kind):
    data = FILES[kind]
    outcomes = [pixels_or_reason(data[:length]) for length in range(len(data))]
    assert set(outcomes) <= {decode(data).image.tobytes(), images.EMPTY, images.NOT_AN_IMAGE, images.TRUNCATED}
    assert outcomes.count(images.TRUNCATED) > len(data) / 2 - 20  # the rest is a second frame, if any


@given(
    st.one_of(
        st.binary(max_size=200),
        st.tuples(
            st.sampled_from([b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"II*\0", b"RIFF\x40\0\0\0WEBP"]),
            st.binary(max_size=200),
        ).map(b"".join),
    )
)
@settings(max_examples=400, deadline=None)
def test_random_bytes_are_refused_with_a_reason(data):
    outcome = pixels_or_reason(data)
    assert isinstance(outcome, bytes) or outcome in REASONS


@pytest.mark.filterwarnings("ignore::UserWarning")
@given(kind=st.sampled_from(sorted(FILES)), at=st.floats(0, 1), value=st.binary(min_size=1, max_size=4))
@settings(max_examples=600, deadline=None)
@example(kind="png", at=0.05, value=b"\xff\xff\xff\xff")
def test_a_file_damaged_anywhere_is_a_picture_or_has_a_reason(kind, at, value):
    data = FILES[kind]
    start = int(at * (len(data) - 1))
    outcome = pixels_or_reason(data[:start] + value + data[start + len(value) :])
    assert isinstance(outcome, bytes) or outcome in REASONS


def test_an_image_error_travels_between_processes():
    error = pickle.loads(pickle.dumps(ImageError(images.TRUNCATED, "after 3 bytes")))
    assert (error.reason, error.detail, str(error)) == ("truncated", "after 3 bytes", "truncated: after 3 bytes")


def test_threads_decode_side_by_side_and_pillows_globals_stay():
    limit, lenient = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
    jobs = list(FILES.values()) * 20
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        pictures = [painting.image.tobytes() for painting in pool.map(decode, jobs)]
    assert pictures == [decode(data).image.tobytes() for data in FILES.values()] * 20
    assert limit == Image.MAX_IMAGE_PIXELS
    assert lenient == ImageFile.LOAD_TRUNCATED_IMAGES


# --- Crops -----------------------------------------------------------------------------------------------------------

SCHEMES = st.one_of(
    st.builds(Scheme, st.just("crop"), st.integers(8, 300), st.integers(1, 40)),
    st.builds(Scheme, st.just("reshape"), st.integers(8, 300)),
)
SIDES = st.integers(images.MIN_SIDE, 900)
DIGESTS = st.binary(min_size=1, max_size=8).map(lambda data: hashlib.sha256(data).hexdigest())


@given(SIDES, SIDES, SCHEMES, st.integers(0, 2**63), DIGESTS)
def test_places_lie_inside_and_are_a_function_of_their_arguments(width, height, scheme, seed, digest):
    boxes = images.places(width, height, scheme, seed, digest)
    assert len(boxes) == scheme.samples
    assert boxes == images.places(width, height, scheme, seed, digest)
    for left, top, right, bottom in boxes:
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height
        if scheme.kind == "crop":
            assert right - left == bottom - top == min(scheme.size, width, height)


@given(st.integers(8, 80), st.integers(8, 80), st.integers(8, 64), st.integers(1, 200), DIGESTS)
def test_no_window_is_taken_again_while_another_is_free(width, height, size, samples, digest):
    boxes = images.places(width, height, Scheme("crop", size, samples), 0, digest)
    side = min(size, width, height)
    room = (width - side + 1) * (height - side + 1)
    assert len(set(boxes)) == min(samples, room)
    counts = [boxes.count(box) for box in set(boxes)]
    assert max(counts) - min(counts) <= 1


def test_places_differ_by_seed_content_and_scheme():
    first, second = hashlib.sha256(b"a").hexdigest(), hashlib.sha256(b"b").hexdigest()
    scheme = Scheme("crop", 64, 16)
    keys = [(scheme, 0, first), (scheme, 1, first), (scheme, 0, second), (Scheme("crop", 64, 17), 0, first)]
    starts = {images.places(1000, 1000, *key)[0] for key in keys}
    assert len(starts) == len(keys)


def test_places_are_the_same_on_every_machine():
    boxes = images.places(1000, 800, Scheme("crop", 64, 3), 7, hashlib.sha256(b"a painting").hexdigest())
    assert boxes == [(279, 119, 343, 183), (49, 539, 113, 603), (757, 222, 821, 286)]


def test_windows_reach_every_part_of_a_painting_equally():
    scheme = Scheme("crop", 10, 4)
    digests = [hashlib.sha256(bytes([high, low])).hexdigest() for high in range(16) for low in range(256)]
    boxes = np.array([box for digest in digests for box in images.places(109, 59, scheme, 0, digest)])
    expected = len(boxes) / 10
    for column, room in ((0, 100), (1, 50)):
        counts, _ = np.histogram(boxes[:, column], bins=10, range=(0, room))
        assert np.abs(counts - expected).max() < 5 * expected**0.5


def test_a_painting_of_a_thousand_windows_gives_all_of_them():
    boxes = images.places(47, 41, Scheme("crop", 8, 1024), 0, "00")
    assert len(set(boxes)) == 1024  # of 40 x 34 = 1,360


def painting_of(image: Image.Image) -> images.Painting:
    return images.Painting(image, *image.size)


def noise(width: int, height: int) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels, "RGB")


def test_a_crop_is_the_paintings_own_pixels():
    picture = noise(200, 100)
    crops = list(images.cut(painting_of(picture), Scheme("crop", 64, 5), 0, "00"))
    assert [crop.index for crop in crops] == list(range(5))
    for crop in crops:
        left, top, right, bottom = map(int, crop.box)
        assert np.array_equal(np.asarray(crop.image), np.asarray(picture)[top:bottom, left:right])


@pytest.mark.parametrize(("width", "height"), [(40, 100), (100, 40), (40, 40), (8, 800)])
def test_a_small_painting_is_enlarged_until_the_window_fits(width, height):
    picture, scheme = noise(width, height), Scheme("crop", 64, 4)
    assert images.is_enlarged(width, height, scheme)
    factor = 64 / min(width, height)
    enlarged = picture.resize((round(width * factor), round(height * factor)), Image.Resampling.LANCZOS)
    for crop in images.cut(painting_of(picture), scheme, 0, "00"):
        assert crop.image.size == (64, 64)
        left, top = (round(edge * factor, 6) for edge in crop.box[:2])
        if left.is_integer() and top.is_integer():  # windows that the enlarged painting has exactly
            same = enlarged.crop((int(left), int(top), int(left) + 64, int(top) + 64))
            assert largest_difference(crop.image, same) <= 2


def test_a_painting_as_large_as_the_window_is_not_enlarged():
    assert not images.is_enlarged(64, 64, Scheme("crop", 64, 4))
    assert not images.is_enlarged(64, 64, Scheme("reshape", 64))
    assert images.is_enlarged(500, 63, Scheme("crop", 64, 4))


def test_reshaping_takes_the_whole_painting():
    (crop,) = images.cut(painting_of(scene(300, 200)), Scheme("reshape", 32), 0, "00")
    assert (crop.box, crop.image.size) == ((0, 0, 300, 200), (32, 32))
    assert largest_difference(crop.image, scene(32, 32)) <= 10


def test_cropping_a_scaled_painting_is_refused():
    scaled = decode(saved(scene(800, 600), "JPEG"), at_least=100)
    with pytest.raises(ValueError, match=r"Expected a painting of \(800, 600\) pixels .* scaled to \(200, 150\)"):
        list(images.cut(scaled, Scheme("crop", 64, 1), 0, "00"))


@given(st.integers(16, 700), st.integers(16, 700), st.integers(8, 300), st.booleans())
@settings(max_examples=50, deadline=None)
def test_scaled_decoding_keeps_the_least_size_and_the_true_one(width, height, least, turned):
    exif = Image.Exif()
    exif[0x0112] = 6 if turned else 1
    data = saved(Image.new("RGB", (height, width) if turned else (width, height)), "JPEG", exif=exif)
    painting = decode(data, at_least=least)
    assert (painting.width, painting.height) == (width, height)
    assert min(painting.image.size) >= min(least, width, height)
    assert (painting.image.size != (width, height)) == images.scales_down(data, width, height, least)


def test_only_reshaping_alone_is_served_by_a_scaled_picture():
    crop, reshape = Scheme("crop", 64, 16), Scheme("reshape", 256)
    assert images.needed_resolution([crop, reshape]) is None
    assert images.needed_resolution([reshape, Scheme("reshape", 64)]) == 256 + images.RESHAPE_HEADROOM


# --- Encoding --------------------------------------------------------------------------------------------------------


@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 2**32))
def test_raw_and_png_keep_every_pixel(width, height, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    picture = Image.fromarray(pixels, "RGB")
    assert images.encode(picture, "raw") == pixels.tobytes()
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(images.encode(picture, "png")))), pixels)


def test_jpeg_keeps_full_colour_resolution():
    data = images.encode(scene(), "jpeg")
    with Image.open(io.BytesIO(data)) as image:
        assert image.layer[0][1:3] == image.layer[1][1:3] == (1, 1)
    assert largest_difference(decode(data).image, scene()) <= 10


@pytest.mark.parametrize("encoding", ["raw", "png", "jpeg"])
def test_equal_pixels_give_equal_bytes_whatever_the_source_said(encoding):
    picture = scene()
    picture.info.update(icc_profile=DISPLAY_P3, comment=b"bought in 1650", dpi=(300, 300), transparency=(1, 2, 3))
    assert images.encode(picture, encoding) == images.encode(scene(), encoding)


def test_only_rgb_is_encoded():
    with pytest.raises(ValueError, match=r"Expected an RGB image\. Received L"):
        images.encode(scene().convert("L"), "raw")


# --- Likeness --------------------------------------------------------------------------------------------------------


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
    return images.perceptual_hash(decode(data, at_least=images.HASH_RESOLUTION).image)


def test_altered_copies_are_near_and_other_pictures_are_not():
    originals = [composition(seed) for seed in range(8)]
    hashes = [hash_of(saved(picture, "JPEG", quality=95)) for picture in originals]
    assert all(len(value) == 64 for value in hashes)
    for picture, value in zip(originals, hashes, strict=True):
        for what, data in altered(picture).items():
            assert bits_apart(value, hash_of(data)) <= images.NEAR_COPY_BITS, what
    pairs = [(one, other) for index, one in enumerate(hashes) for other in hashes[:index]]
    assert min(bits_apart(one, other) for one, other in pairs) > images.NEAR_COPY_BITS


# --- Real paintings --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def originals() -> list[bytes]:
    """Every eighth of the full-size originals."""
    root = os.environ.get("PAINTINGS_DIR")
    if not root:
        pytest.skip("PAINTINGS_DIR names no real paintings")
    paths = sorted(Path(root, "kaggle_subset/images/images").rglob("*.jpg"))[::8]
    return [path.read_bytes() for path in paths]


def test_real_paintings_reshape_alike_from_a_scaled_decode(originals):
    scheme = Scheme("reshape", 256)
    differences = []
    for data in originals:
        (full,) = images.cut(decode(data), scheme, 0, "00")
        (fast,) = images.cut(decode(data, at_least=images.needed_resolution([scheme])), scheme, 0, "00")
        differences.append(np.abs(np.asarray(full.image, int) - np.asarray(fast.image, int)))
    assert np.mean(differences) <= 1
    assert np.percentile(differences, 99) <= 10


def test_altered_copies_of_real_paintings_are_near(originals):
    near = [
        bits_apart(hash_of(data), hash_of(copy)) <= images.NEAR_COPY_BITS
        for data in originals
        for copy in altered(decode(data).image).values()
    ]
    assert np.mean(near) >= 0.97
