import concurrent.futures
import contextlib
import io
import pickle

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageCms, ImageFile

from pipeline.pictures.decode import (
    ABSURD_DIMENSIONS,
    DAMAGED,
    EMPTY,
    NOT_AN_IMAGE,
    OUT_OF_MEMORY,
    TOO_MANY_PIXELS,
    TRUNCATED,
    UNSUPPORTED,
    ImageError,
    decode,
)
from tests.pipeline.pictures.scenes import largest_difference, png, saved, scene

REASONS = {
    EMPTY,
    NOT_AN_IMAGE,
    UNSUPPORTED,
    TRUNCATED,
    DAMAGED,
    TOO_MANY_PIXELS,
    ABSURD_DIMENSIONS,
    OUT_OF_MEMORY,
}


AS_STORED = {  # Exif 2.32, tag 0x0112: how an upright picture is turned to be stored under that orientation
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


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
        ("AVIF", {"quality": 95}, 20),
        ("JPEG2000", {}, 0),
        ("JPEG2000", {"no_jp2": True}, 0),
    ],
)
def test_every_promised_format_is_opened_by_content(form, options, tolerance):
    painting = decode(saved(scene(), form, **options))
    assert (painting.width, painting.height) == (48, 32)
    assert largest_difference(painting.image, scene()) <= tolerance


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("at_least", [None, 20, 12])
@pytest.mark.parametrize("options", [{}, {"subsampling": 0}, {"progressive": True}, {"restart_marker_rows": 1}])
def test_a_jpeg_has_the_pixels_that_pillow_gives_it(mode, at_least, options):
    data = saved(scene(49, 51).convert(mode), "JPEG", **options)
    with Image.open(io.BytesIO(data)) as image:
        if at_least:
            image.draft(None, (at_least, at_least))
        expected = np.asarray(image.convert("RGB"))
    assert np.array_equal(decode(data, at_least=at_least).pixels, expected)


def test_a_jpeg_with_two_sizes_is_not_decoded_beyond_the_limit():
    data = saved(scene(), "JPEG")
    start = data.index(b"\xff\xc0")
    frame = data[start : start + 2 + int.from_bytes(data[start + 2 : start + 4])]
    large = frame[:5] + (2000).to_bytes(2) * 2 + frame[9:]
    for doubled in (large + frame, frame + large):
        with contextlib.suppress(ImageError):
            assert decode(data.replace(frame, doubled), max_pixels=5000).pixels.size <= 3 * 5000


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["PNG", "TIFF", "WEBP", "JPEG"])
def test_every_exif_orientation_is_turned_upright(form, orientation):
    stored = scene() if orientation == 1 else scene().transpose(AS_STORED[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if form == "WEBP" else {"quality": 95} if form == "JPEG" else {}
    painting = decode(saved(stored, form, exif=exif, **options))
    assert (painting.width, painting.height) == (48, 32)
    assert largest_difference(painting.image, scene()) <= (10 if form == "JPEG" else 0)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_means_upright(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    painting = decode(saved(scene(), "PNG", exif=exif))
    assert (painting.width, painting.height, painting.image.tobytes()) == (48, 32, scene().tobytes())


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_broken_exif_block_does_not_cost_the_picture():
    painting = decode(saved(scene(), "PNG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff rubbish"))
    assert painting.image.tobytes() == scene().tobytes()


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_an_animation_the_first_frame_counts(form):
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "lime", "blue")]
    options = {"lossless": True} if form == "WEBP" else {}
    data = saved(frames[0], form, save_all=True, append_images=frames[1:], **options)
    assert decode(data).image.getpixel((8, 8)) == (255, 0, 0)


# --- What is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", EMPTY),
        (b"This is no picture.", NOT_AN_IMAGE),
        (b"<!DOCTYPE html><html><body>404</body></html>", NOT_AN_IMAGE),
        (b"\0" * 4096, NOT_AN_IMAGE),
        (b"8BPS\0\1" + b"\0" * 100, UNSUPPORTED),
        (b"%PDF-1.7" + b"\0" * 100, UNSUPPORTED),
        (b"\0\0\0\x20ftypisom" + b"\0" * 100, UNSUPPORTED),
        (b"\0\0\0\x20ftypavif" + b"\0" * 100, TRUNCATED),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", UNSUPPORTED),
        (png(60_000, 60_000, 8, 2, b""), TOO_MANY_PIXELS),
        (png(1, 1, 8, 2, b"\0\1\2\3"), ABSURD_DIMENSIONS),
        (png(100_000, 10, 8, 2, b""), ABSURD_DIMENSIONS),
        (png(10, 100_000, 8, 2, b""), ABSURD_DIMENSIONS),
        (png(7, 200, 8, 2, b""), ABSURD_DIMENSIONS),
        (b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\x08", TOO_MANY_PIXELS),
        (b"\xff\xd8\xff", TRUNCATED),
        (saved(scene(), "JPEG")[:-40], TRUNCATED),
        (saved(scene(), "PNG")[:60], TRUNCATED),
        (saved(scene(), "PNG").replace(b"IDAT", b"IDOT"), DAMAGED),
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
    assert caught.value.reason != TOO_MANY_PIXELS


def test_a_limit_above_pillows_own_is_honoured():
    width, height = 20_000, 9_000  # Pillow refuses more than 178,956,970 pixels
    with pytest.raises(ImageError) as caught:
        decode(png(width, height, 1, 0, b""), max_pixels=width * height)
    assert caught.value.reason in (TRUNCATED, DAMAGED)


SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
FILES = {
    "jpeg": saved(scene(), "JPEG"),
    "progressive": saved(scene(), "JPEG", progressive=True),
    "cmyk": saved(scene().convert("CMYK"), "JPEG"),
    "mpo": saved(scene(), "MPO", save_all=True, append_images=[scene()]),
    "png": saved(scene(), "PNG", icc_profile=SRGB),
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
    assert set(outcomes) <= {decode(data).image.tobytes(), EMPTY, NOT_AN_IMAGE, TRUNCATED}
    assert outcomes.count(TRUNCATED) > len(data) / 2 - 20  # the rest is a second frame, if any


@pytest.mark.filterwarnings("ignore::UserWarning")
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
    error = pickle.loads(pickle.dumps(ImageError(TRUNCATED, "after 3 bytes")))
    assert (error.reason, error.detail, str(error)) == ("truncated", "after 3 bytes", "truncated: after 3 bytes")


def test_threads_decode_side_by_side_and_pillows_globals_stay():
    limit, lenient = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
    jobs = list(FILES.values()) * 20
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        pictures = [painting.image.tobytes() for painting in pool.map(decode, jobs)]
    assert pictures == [decode(data).image.tobytes() for data in FILES.values()] * 20
    assert limit == Image.MAX_IMAGE_PIXELS
    assert lenient == ImageFile.LOAD_TRUNCATED_IMAGES
