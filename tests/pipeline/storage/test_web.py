"""Pictures of the web are fetched once, within limits, and politely."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline.storage import web
from pipeline.storage.web import Downloads
from tests.web import Answer, Web, serving

MOST = 10**6
ANSWERS = {
    "/picture.jpg?size=large&n=%201": [Answer(b"picture")],
    "/gone.jpg": [Answer(status=404)],
    "/forbidden.jpg": [Answer(status=403)],
    "/busy.jpg": [Answer(status=503, headers={"Retry-After": "0"}), Answer(status=500), Answer(b"at last")],
    "/broken.jpg": [Answer(status=500)],
    "/moved.jpg": [Answer(status=302, headers={"Location": "/picture.jpg?size=large&n=%201"})],
    "/local.jpg": [Answer(status=302, headers={"Location": "file:///etc/hostname"})],
    "/circle.jpg": [Answer(status=302, headers={"Location": "/circle.jpg"})],
    "/large.jpg": [Answer(bytes(2 * MOST))],
    "/slow.jpg": [Answer(bytes(MOST), piece_seconds=0.3)],
    "/cut.jpg": [Answer(b"half", headers={"Content-Length": "8"})],
}


@pytest.fixture(scope="module")
def site():
    def answer(path: str, time: int) -> Answer:
        return ANSWERS[path][min(time, len(ANSWERS[path])) - 1]

    with serving(answer) as serves:
        yield serves


def test_a_picture_is_fetched_once_and_kept(site: Web, tmp_path: Path) -> None:
    address = f"{site.address}/picture.jpg?size=large&n=%201"
    for _ in range(2):
        assert Downloads(str(tmp_path), MOST).read(address) == b"picture"
    assert site.asked["/picture.jpg?size=large&n=%201"] == 1
    (kept,) = (path for path in tmp_path.rglob("*") if path.is_file())
    assert kept.read_bytes() == b"picture"


def test_other_files_are_read_where_they_are(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"here")
    assert Downloads(str(tmp_path / "kept"), MOST).read(str(tmp_path / "x")) == b"here"
    assert not (tmp_path / "kept").exists()


def test_a_host_that_is_busy_is_asked_again_and_a_picture_that_moved_is_followed(site: Web, tmp_path: Path) -> None:
    downloads = Downloads(str(tmp_path), MOST)
    assert downloads.read(f"{site.address}/busy.jpg") == b"at last"
    assert downloads.read(f"{site.address}/moved.jpg") == b"picture"


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/gone.jpg", "HTTP 404 Not Found"),
        ("/forbidden.jpg", "HTTP 403 Forbidden"),
        ("/broken.jpg", "HTTP 500 Internal Server Error"),
        ("/local.jpg", "No connection adapters"),
        ("/circle.jpg", "redirects"),
        ("/large.jpg", "more than 1,000,000 bytes"),
        ("/slow.jpg", "it took more than 1 s"),
        ("/cut.jpg", "IncompleteRead"),
    ],
)
def test_what_cannot_be_had_says_why_and_is_not_kept(site, tmp_path, monkeypatch, path, why):
    monkeypatch.setattr(web, "SECONDS", 1.0)
    with pytest.raises(OSError, match=why) as failed:
        Downloads(str(tmp_path), MOST).read(site.address + path)
    assert failed.value.filename == site.address + path
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_nobody_there_is_said_soon(tmp_path: Path) -> None:
    with serving(lambda path, time: Answer()) as closed:
        address = closed.address
    with pytest.raises(OSError, match="refused"):
        Downloads(str(tmp_path), MOST).read(f"{address}/x.jpg")


def test_a_host_is_asked_two_things_at_a_time(tmp_path: Path) -> None:
    with (
        serving(lambda path, time: Answer(b"one of many", piece_seconds=0.02)) as site,
        ThreadPoolExecutor(8) as threads,
    ):
        addresses = [f"{site.address}/{number}" for number in range(24)]
        assert set(threads.map(Downloads(str(tmp_path), MOST).read, addresses)) == {b"one of many"}
        assert 1 <= site.at_once <= 2
