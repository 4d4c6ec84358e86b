"""The page that answers for a picture, over HTTP and in a browser."""

from __future__ import annotations

import base64
import errno
import io
import re
import shutil
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import flask
import numpy as np
import pandas as pd
import pytest
from markupsafe import escape
from PIL import Image
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.support.ui import WebDriverWait
from werkzeug.test import TestResponse

from pipeline.dataset.dataset import Dataset
from tests import browser, runs
from trainer.asking.attributor import Attributor
from trainer.asking.page import is_same_origin, is_us, make_app
from trainer.asking.server import listen
from trainer.run.folder import RunFolder


@pytest.fixture(scope="module")
def attributor(judged_run: Path) -> Attributor:
    return Attributor(RunFolder(judged_run))


@pytest.fixture(scope="module")
def app(attributor: Attributor) -> flask.Flask:
    return make_app(attributor, "small <run>", upload_mib=1)


@pytest.fixture(scope="module")
def address(app: flask.Flask) -> Iterator[str]:
    server = listen("127.0.0.1", 0, app)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.effective_port}/"
    server.close()


@pytest.fixture(scope="module")
def training_file(judged_dataset: Path) -> Path:
    rows = pd.DataFrame(Dataset.open(judged_dataset).planned())
    return Path(rows[rows["split"] == "train"]["path"].iloc[0])


def upload(app: flask.Flask, data: bytes, name: str = "a.jpg", **headers: str) -> TestResponse:
    client = app.test_client()
    return client.post("/", data={"picture": (io.BytesIO(data), name)}, headers=headers, base_url="http://localhost")


def test_a_picture_is_attributed_with_map_and_evidence(app: flask.Flask, attributor: Attributor, training_file: Path):
    data = training_file.read_bytes()
    response = upload(app, data)
    assert response.status_code == 200
    expected = attributor.attribute(attributor.open(data))
    for artist, probability in expected.ranked:
        assert str(escape(artist)) in response.text
        assert f"{100 * probability:.1f}%" in response.text
    assert response.text.count("data:image/jpeg") == 2 + len(expected.nearest)
    assert "trained on this very file" in response.text
    assert "<i>" not in response.text
    assert "small &lt;run&gt;" in response.text


@pytest.mark.parametrize("kind", ["cmyk.jpg", "deep.png", "tiny.gif"])
def test_unusual_pictures_are_answered(app: flask.Flask, kind: str):
    painted = runs.paint(1, np.random.default_rng(0))
    image = {
        "cmyk.jpg": painted.convert("CMYK"),
        "deep.png": painted.convert("L").convert("I;16"),
        "tiny.gif": painted.resize((20, 20)),
    }[kind]
    stream = io.BytesIO()
    image.save(stream, {"jpg": "JPEG", "png": "PNG", "gif": "GIF"}[kind.split(".")[1]])
    assert upload(app, stream.getvalue(), kind).status_code == 200


def test_what_cannot_be_read_is_explained(app: flask.Flask, training_file: Path):
    for data, status, words in (
        (b"no picture", 422, "not an image"),
        (training_file.read_bytes()[:2000], 422, "truncated"),
        (b"", 400, "Choose a picture first."),
        (bytes(2 << 20), 413, "larger than 1 MiB"),
    ):
        response = upload(app, data)
        assert response.status_code == status
        assert words in response.text
    assert app.test_client().get("/nowhere", base_url="http://localhost").status_code == 404


def test_a_pixel_bomb_is_refused_before_it_is_decoded(app: flask.Flask):
    stream = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(stream, "PNG")
    assert len(stream.getvalue()) < 1 << 20
    response = upload(app, stream.getvalue(), "bomb.png")
    assert response.status_code == 422
    assert "too many pixels" in response.text


def test_names_of_other_sites_are_refused(app: flask.Flask, training_file: Path):
    client = app.test_client()
    assert client.get("/", base_url="http://evil.example:8000").status_code == 403
    assert client.get("/", base_url="http://localhost:8000").status_code == 200
    assert client.get("/", base_url="http://[::1]:8000").status_code == 200
    assert upload(app, training_file.read_bytes(), Origin="http://evil.example").status_code == 403
    assert upload(app, training_file.read_bytes(), Origin="http://198.51.100.7").status_code == 403
    assert upload(app, training_file.read_bytes(), Origin="http://localhost:8000").status_code == 403
    assert upload(app, training_file.read_bytes(), Origin="http://[").status_code == 403
    assert is_us("gallery.local:8000", "gallery.local")
    assert not is_us("localhost.evil.example", "127.0.0.1")
    assert not is_us("", "127.0.0.1")


@pytest.mark.parametrize(
    ("headers", "ours"),
    [
        ({}, True),  # no browser
        ({"Origin": "http://127.0.0.1:8000"}, True),
        ({"Origin": "http://127.0.0.1:8001"}, False),
        ({"Origin": "http://127.0.0.1"}, False),
        ({"Origin": "ftp://127.0.0.1:8000"}, False),
        ({"Origin": "null"}, True),  # a browser that tells nobody where it comes from
        ({"Origin": "null", "Sec-Fetch-Site": "cross-site"}, False),  # a page within a page of another site
        ({"Origin": "null", "Sec-Fetch-Site": "same-origin"}, True),
        ({"Origin": "http://127.0.0.1:8000", "Sec-Fetch-Site": "same-site"}, False),
        ({"Origin": "127.0.0.1:8000"}, False),
        ({"Origin": ""}, False),
    ],
)
def test_only_the_page_itself_may_post(headers: dict[str, str], ours: bool):
    assert is_same_origin({"Host": "127.0.0.1:8000", **headers}) is ours


def test_an_upload_goes_into_no_temporary_file(app: flask.Flask, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    for name in ("TemporaryFile", "NamedTemporaryFile", "SpooledTemporaryFile", "mkstemp"):
        monkeypatch.setattr(tempfile, name, full)
        monkeypatch.setattr(f"werkzeug.formparser.{name}", full, raising=False)
    large = np.random.default_rng(0).integers(0, 256, (500, 600, 3), np.uint8)  # 900 kB, which werkzeug would spool
    stream = io.BytesIO()
    Image.fromarray(large).save(stream, "PNG")
    assert upload(app, stream.getvalue(), "noise.png").status_code == 200


def test_every_answer_forbids_the_network_and_framing(app: flask.Flask):
    for path in ("/", "/nowhere"):
        headers = app.test_client().get(path, base_url="http://localhost").headers
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_the_name_of_an_upload_is_not_used(app: flask.Flask, training_file: Path):
    response = upload(app, training_file.read_bytes(), "../../<script>alert(1)</script>.jpg")
    assert response.status_code == 200
    assert "alert(1)" not in response.text


def test_requests_at_once_are_all_answered(address: str, training_file: Path):
    body, kind = multipart(training_file.read_bytes())
    answers: list[int] = []

    def ask() -> None:
        request = urllib.request.Request(address, data=body, headers={"Content-Type": kind})
        with urllib.request.urlopen(request) as response:
            answers.append(response.status)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 4


def multipart(data: bytes) -> tuple[bytes, str]:
    head = b'--edge\r\nContent-Disposition: form-data; name="picture"; filename="a.jpg"\r\n\r\n'
    return head + data + b"\r\n--edge--\r\n", "multipart/form-data; boundary=edge"


@browser.needs_browser
@pytest.mark.parametrize("width", [1280, 390])
def test_a_picture_chosen_in_the_browser_is_attributed(address: str, training_file: Path, tmp_path: Path, width: int):
    chosen = shutil.copy(training_file, tmp_path / "chosen.jpg")
    with browser.chromium(tmp_path / "profile", width=width) as page:
        page.get(address)
        page.find_element("css selector", "input[type=file]").send_keys(str(chosen))
        WebDriverWait(page, 60).until(lambda page: page.find_elements("css selector", "#answer h2"))
        text = page.find_element("id", "answer").text
        assert "The nearest training paintings" in text
        assert re.search(r"\d+\.\d%", text)
        assert all(page.execute_script("return [...document.images].map(i => i.complete && i.naturalWidth > 0)"))
        assert browser.overflow(page) <= 0
        assert browser.complaints(page) == []
        assert {url for url in browser.requests(page) if not url.startswith("blob:")} == {address}


@browser.needs_browser
def test_a_picture_dropped_on_the_page_is_attributed_and_a_text_is_explained(
    address: str, training_file: Path, tmp_path: Path
):
    drop = """
        const bytes = Uint8Array.from(atob(arguments[0]), c => c.charCodeAt(0));
        const transfer = new DataTransfer();
        transfer.items.add(new File([bytes], "dropped.jpg", {type: "image/jpeg"}));
        document.dispatchEvent(new DragEvent("drop", {dataTransfer: transfer, bubbles: true, cancelable: true}));
    """
    with browser.chromium(tmp_path / "profile") as page:
        page.get(address)
        page.execute_script(drop, base64.b64encode(training_file.read_bytes()).decode())
        WebDriverWait(page, 60).until(lambda page: page.find_elements("css selector", "#answer h2"))
        page.execute_script(drop, base64.b64encode(b"no picture").decode())
        WebDriverWait(page, 60).until(lambda page: page.find_elements("css selector", "#answer .fault"))
        assert "not an image" in page.find_element("css selector", ".fault").text


@browser.needs_browser
def test_the_page_works_without_scripts(address: str, training_file: Path, tmp_path: Path):
    with browser.chromium(tmp_path / "profile", scripts=False) as page:
        page.get(address)
        page.find_element("css selector", "input[type=file]").send_keys(str(training_file))
        page.find_element("css selector", "button.ask").click()
        wait = WebDriverWait(page, 60, ignored_exceptions=[StaleElementReferenceException])  # one page goes, one comes
        assert wait.until(lambda page: "The nearest training paintings" in page.find_element("id", "answer").text)


def test_a_picture_that_takes_too_long_is_refused_and_the_next_one_answered(judged_run: Path, training_file: Path):
    slow = io.BytesIO()
    Image.new("RGB", (5000, 5000)).save(slow, "PNG", compress_level=1)
    with Attributor(RunFolder(judged_run), max_seconds=0.1) as limited:
        app = make_app(limited, "small", upload_mib=8)
        response = upload(app, slow.getvalue(), "slow.png")
        assert response.status_code == 422
        assert "took too long" in response.text
        assert upload(app, training_file.read_bytes()).status_code == 200
