import importlib
import sys

import pytest

from pipeline.dataset.rejects import UNSUPPORTED
from pipeline.pictures import formats
from pipeline.pictures.decode import decode
from pipeline.pictures.fault import ImageError
from tests.pipeline.pictures.scenes import largest_difference, saved, scene

EXTRA = {"HEIF": "pillow_heif", "JXL": "pillow_jxl"}
HEIC = b"\0\0\0\x18ftypheic" + bytes(100)
JPEG_XL = b"\xff\x0a" + bytes(100)


@pytest.fixture
def register(request: pytest.FixtureRequest) -> str:
    """Makes Pillow able to write a format of the extra [formats]."""
    module = EXTRA[request.param]
    plugin = pytest.importorskip(module, reason="the extra [formats] is not installed")
    if module == "pillow_heif":
        plugin.register_heif_opener()
    else:
        importlib.import_module("pillow_jxl.JpegXLImagePlugin")
    return str(request.param)


@pytest.mark.parametrize(("register", "tolerance"), [("HEIF", 20), ("JXL", 20)], indirect=["register"])
def test_formats_of_the_extra_are_read(register, tolerance):
    painting = decode(saved(scene(), register, quality=95))
    assert (painting.width, painting.height) == (48, 32)
    assert largest_difference(painting.image, scene()) <= tolerance


@pytest.mark.parametrize(("data", "name"), [(HEIC, "a HEIC picture"), (JPEG_XL, "a JPEG XL picture")])
def test_without_the_extra_the_reject_says_how_to_get_it(data, name, monkeypatch):
    for module in list(sys.modules):
        if module.split(".")[0] in EXTRA.values():
            monkeypatch.delitem(sys.modules, module)
    for module in EXTRA.values():
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImageError) as caught:
        decode(data)
    assert caught.value.reason == UNSUPPORTED
    assert caught.value.detail.startswith(name)
    assert "pip install 'morelli[formats]'" in caught.value.detail


@pytest.mark.parametrize("start", [b"", b"GIF", b"Dear Sir", bytes(16)])
def test_other_bytes_have_no_opener_and_no_name(start):
    assert formats.opener(start) is None
    assert formats.unreadable(start) is None
