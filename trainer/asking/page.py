"""The page where one drops a picture and sees who: a WSGI application that asks a run.

An upload is bytes, never a name or path; it is limited in size before it is read and in pixels before it is decoded,
and leaves nothing on the disk. Only requests that call this machine by address or as localhost are answered, so that no
page of another site can reach it through a name of its own (DNS rebinding), and of pages only its own may post to it.
"""

from __future__ import annotations

import io
import ipaddress
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import IO
from urllib.parse import urlsplit

import flask
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from pipeline.pages.html import data_uri
from pipeline.pictures.fault import ImageError
from trainer.asking.attributor import Attribution, Attributor
from trainer.asking.opening import Picture
from trainer.asking.server import UPLOAD_MIB
from trainer.errors import RunError
from trainer.judging.references import Reference
from trainer.pages import maps
from trainer.pages.html import environment
from trainer.pages.likenesses import LONGEST, QUALITY, thumbnail
from trainer.pages.plots import whisker
from trainer.run.expertise import Expertise

SHOWN = 720  # pixels of the longer side of the picture and its map on the page
MOST_AT_ONCE = 8  # pictures asked about or waiting for it; fewer than the server has threads
_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the page shows of a picture; images are data URIs.

    Attributes:
      attribution: what the run says.
      picture: the upload, upright.
      map: the picture tinted by the artist each region speaks for; "" where the run cannot draw one.
      evidence: the nearest training paintings, each with its picture ("" where its file is gone).
    """

    attribution: Attribution
    picture: str
    map: str
    evidence: tuple[tuple[Reference, str], ...]


class _Request(flask.Request):
    """Keeps uploads in memory, which `MAX_CONTENT_LENGTH` limits: a temporary file fails where the disk is full."""

    def _get_file_stream(
        self,
        total_content_length: int | None,
        content_type: str | None,
        filename: str | None = None,
        content_length: int | None = None,
    ) -> IO[bytes]:
        return io.BytesIO()


def answer(attributor: Attributor, picture: Picture) -> Answer:
    """Asks a run about a picture that is opened whole."""
    whole = picture.whole.image
    attribution = attributor.attribute(picture)
    drawn = ""
    with suppress(RunError):  # of a network that somebody else built
        page = maps.draw(whole, attributor.regions(picture), attributor.expertise.labels)
        drawn = data_uri(page, SHOWN, QUALITY)
    return Answer(
        attribution,
        data_uri(whole, SHOWN, QUALITY),
        drawn,
        tuple((near, _seen(near, attributor.expertise)) for near in attribution.nearest),
    )


def _seen(reference: Reference, expertise: Expertise) -> str:
    found = thumbnail(reference.path, expertise.data_dir, reference.painting_id[:16], expertise.max_pixels)
    return data_uri(found[0], LONGEST, QUALITY) if found else ""


def make_app(attributor: Attributor, name: str, host: str = "127.0.0.1", upload_mib: int = UPLOAD_MIB) -> flask.Flask:
    """The page as a WSGI application.

    Args:
      attributor: asked by one request at a time.
      name: of the run, for the heading.
      host: where it will listen; requests may call it by that name too.
      upload_mib: larger uploads are refused.
    """
    app = flask.Flask(__name__, static_folder=None)
    app.request_class = _Request
    app.config["MAX_CONTENT_LENGTH"] = upload_mib << 20
    template = environment().get_template("serve.html")
    one_at_a_time = threading.Lock()
    places = threading.Semaphore(MOST_AT_ONCE)

    def page(shown: Answer | None = None, fault: str = "") -> str:
        return template.render(
            name=name,
            expertise=attributor.expertise,
            answer=shown,
            fault=fault,
            upload_mib=upload_mib,
            whisker=whisker,
        )

    @app.before_request
    def refuse_strangers() -> None:
        called = flask.request.headers.get("Host", "")
        if not is_us(called, host):
            flask.abort(403, f"This page answers to its address and to localhost, not to {called}.")
        if flask.request.method not in ("GET", "HEAD") and not is_same_origin(flask.request.headers):
            flask.abort(403, "Only this page itself may send pictures to it.")

    @app.get("/")
    def start() -> str:
        return page()

    @app.post("/")
    def attribute() -> str | tuple[str, int] | tuple[str, int, dict[str, str]]:
        upload = flask.request.files.get("picture")
        data = upload.read() if upload else b""
        if not data:
            return page(fault="Choose a picture first."), 400
        if not places.acquire(blocking=False):
            return page(fault="Too many pictures are waiting. Try again in a minute."), 503, {"Retry-After": "60"}
        try:
            picture = attributor.open(data)  # not within the lock: one that takes its time keeps nobody waiting
            with one_at_a_time:
                return page(answer(attributor, picture))
        except ImageError as error:
            return page(fault=f"This is not a picture that can be read: {error}."), 422
        finally:
            places.release()

    @app.errorhandler(RequestEntityTooLarge)
    def too_large(_: RequestEntityTooLarge) -> tuple[str, int]:
        return page(fault=f"The file is larger than {upload_mib} MiB. Send a smaller one."), 413

    @app.errorhandler(HTTPException)
    def explain(error: HTTPException) -> tuple[str, int]:
        return page(fault=str(error.description)), error.code or 500

    @app.after_request
    def guard(response: flask.Response) -> flask.Response:
        response.headers["Content-Security-Policy"] = _POLICY
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "same-origin"  # with none at all, browsers call the page's origin "null"
        response.headers["Cache-Control"] = "no-store"
        return response

    return app


def is_us(netloc: str, host: str) -> bool:
    """Whether a Host header calls this machine by address, as localhost or as `host`."""
    name = _hostname(netloc)
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name in ("localhost", host.lower())
    return True


def is_same_origin(headers: object) -> bool:
    """Whether a request comes from a page of this very address and port, or from no page at all.

    Browsers say so in Origin (RFC 6454) and in Sec-Fetch-Site (W3C Fetch Metadata); other programs send neither. An
    opaque origin, "null", is taken for ours unless the browser says that it is another site's.
    """
    get = headers.get  # type: ignore[attr-defined]  # werkzeug's headers, or a dict of them
    if get("Sec-Fetch-Site", "none") not in ("same-origin", "none"):
        return False
    origin = get("Origin", "null")
    if origin == "null":
        return True
    try:
        parts = urlsplit(origin)
        return parts.scheme in ("http", "https") and bool(parts.netloc) and parts.netloc == get("Host", "")
    except ValueError:
        return False


def _hostname(netloc: str) -> str:
    """The name in a Host header, in lower case; "" where it is none."""
    try:
        return urlsplit(f"//{netloc}").hostname or ""
    except ValueError:
        return ""
