"""What stands in a page is escaped, or was made by this project."""

import base64
import io

import jinja2
import pytest
from PIL import Image

from pipeline.pages.html import data_uri, environment


def test_what_is_put_into_a_page_is_escaped_and_nothing_may_be_missing(tmp_path):
    (tmp_path / "page.html").write_text("{{ name }}")
    page = environment(tmp_path).get_template("page.html")
    assert page.render(name="<script>") == "&lt;script&gt;"
    with pytest.raises(jinja2.UndefinedError):
        page.render()


def test_a_picture_is_made_small_and_tells_nothing_of_its_file():
    image = Image.new("RGB", (400, 100), "teal")
    image.info.update(icc_profile=b"secret profile", exif=b"Exif\0\0secret", comment=b"secret")
    start, _, text = data_uri(image, 60, 80).partition(",")
    data = base64.b64decode(text)
    assert start == "data:image/jpeg;base64"
    assert Image.open(io.BytesIO(data)).size == (60, 15)
    assert b"secret" not in data
    assert image.size == (400, 100)
    assert image.info["comment"] == b"secret"
