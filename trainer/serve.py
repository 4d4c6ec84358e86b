"""python -m trainer.serve --run_dir=RUN: a small web page on this machine, where one drops a picture and sees who.

It listens on loopback unless told otherwise. An upload is bytes, never a name or path; it is limited in size before it
is read and in pixels before it is decoded, and leaves nothing on the disk. Only requests that name this machine by
address or as localhost are answered, so that no page of another site can reach it through a name of its own (DNS
rebinding).
"""

from __future__ import annotations

import ipaddress
import socket
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import flask
import waitress
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from pipeline.errors import InputError, MorelliError
from pipeline.pictures.decode import ImageError
from trainer.asking import maps
from trainer.asking.attributor import Attribution, Attributor
from trainer.judging.references import Reference
from trainer.pages.html import environment
from trainer.pages.likenesses import data_uri, thumbnail
from trainer.pages.plots import whisker

UPLOAD_MIB = 32
SHOWN = 720  # pixels of the longer side of the picture and its map on the page
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


def answer(attributor: Attributor, data: bytes) -> Answer:
    """Asks a run about the bytes of an upload. Raises ImageError."""
    picture = attributor.open(data)
    attribution = attributor.attribute(picture)
    drawn = ""
    if attributor.expertise.scheme.kind == "crop":
        page = maps.draw(picture.painting.image, attributor.regions(picture), attributor.expertise.labels)
        drawn = data_uri(page, SHOWN)
    return Answer(
        attribution,
        data_uri(picture.painting.image, SHOWN),
        drawn,
        tuple((near, _seen(near)) for near in attribution.nearest),
    )


def _seen(reference: Reference) -> str:
    found = thumbnail(Path(reference.path), reference.painting_id[:16])
    return found[0] if found else ""


def make_app(attributor: Attributor, name: str, host: str = "127.0.0.1", upload_mib: int = UPLOAD_MIB) -> flask.Flask:
    """The page as a WSGI application.

    Args:
      attributor: asked by one request at a time.
      name: of the run, for the heading.
      host: where it will listen; requests may call it by that name too.
      upload_mib: larger uploads are refused.
    """
    app = flask.Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = upload_mib << 20
    template = environment().get_template("serve.html")
    one_at_a_time = threading.Lock()

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
        origin = flask.request.headers.get("Origin")
        if not is_us(flask.request.host, host) or (origin and not is_us(urlsplit(origin).netloc, host)):
            flask.abort(403, f"This page answers to its address and to localhost, not to {flask.request.host}.")

    @app.get("/")
    def start() -> str:
        return page()

    @app.post("/")
    def attribute() -> str | tuple[str, int]:
        upload = flask.request.files.get("picture")
        data = upload.read() if upload else b""
        if not data:
            return page(fault="Choose a picture first."), 400
        try:
            with one_at_a_time:
                return page(answer(attributor, data))
        except ImageError as error:
            return page(fault=f"This is not a picture that can be read: {error}."), 422

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
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["Cache-Control"] = "no-store"
        return response

    return app


def is_us(netloc: str, host: str) -> bool:
    """Whether a Host header or an origin's "name:port" calls this machine by address, as localhost or as `host`."""
    name = urlsplit(f"//{netloc}").hostname or ""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name in ("localhost", host.lower())
    return True


def main(argv: list[str] | None = None) -> None:
    """Entry point."""
    from absl import app, flags

    flags.DEFINE_string("run_dir", None, "The run to ask.", required=True)
    flags.DEFINE_string(
        "host", "127.0.0.1", "Address to listen on. Another than loopback lets others on the network in."
    )
    flags.DEFINE_integer("port", 8000, "Port to listen on; 0 takes a free one.", lower_bound=0, upper_bound=65535)
    flags.DEFINE_integer("upload_mib", UPLOAD_MIB, "Larger uploads are refused.", lower_bound=1)

    def run(_: list[str]) -> None:
        run_dir, host, port = Path(flags.FLAGS.run_dir), flags.FLAGS.host, flags.FLAGS.port
        try:
            page = make_app(Attributor(run_dir), run_dir.resolve().name, host, flags.FLAGS.upload_mib)
            server = listen(host, port, page)
        except MorelliError as error:
            sys.exit(str(error))
        print(
            f"Open http://{f'[{host}]' if ':' in host else host}:{server.effective_port}/ (Ctrl-C ends it)", flush=True
        )
        server.run()

    app.run(run, argv)


def listen(host: str, port: int, page: flask.Flask) -> Any:
    """A waitress server of that page, listening. Raises InputError where it cannot."""
    limit = 4 * page.config["MAX_CONTENT_LENGTH"]  # beyond this not even our own refusal is worth the reading
    try:
        address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][4][0]  # of a name with several, the first
        return waitress.create_server(page, host=address, port=port, max_request_body_size=limit, ident=None)
    except OSError as error:
        raise InputError(f"Cannot listen on {host}:{port}: {error.strerror}. Pass another --port, or 0.") from error


if __name__ == "__main__":
    main()
