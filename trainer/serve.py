"""python -m trainer.serve --run_dir=RUN: a small web page on this machine, where one drops a picture and sees who.

It listens on loopback unless told otherwise, and anybody who reaches it may ask; see `trainer.asking.page` for what it
refuses, and `trainer.asking.server` for what it bears.
"""

from __future__ import annotations

import ipaddress
import sys
from typing import TYPE_CHECKING

from pipeline.pictures.guard import MAX_SECONDS
from pipeline.terminal.command import command
from pipeline.terminal.streams import complain, say
from trainer.asking.server import UPLOAD_MIB, listen
from trainer.run.expertise import MAX_PIXELS_HELP, MAX_SECONDS_HELP
from trainer.run.folder import RunFolder

if TYPE_CHECKING:
    import flask


@command()
def main(argv: list[str] | None = None) -> None:
    """The command line."""
    from absl import app, flags

    flags.DEFINE_string("run_dir", None, "The run to ask.", required=True)
    flags.DEFINE_string(
        "host", "127.0.0.1", "Address to listen on. Another than loopback lets others on the network in."
    )
    flags.DEFINE_integer("port", 8000, "Port to listen on; 0 takes a free one.", lower_bound=0, upper_bound=65535)
    flags.DEFINE_integer("upload_mib", UPLOAD_MIB, "Larger uploads are refused.", lower_bound=1)
    flags.DEFINE_integer("max_pixels", None, MAX_PIXELS_HELP, lower_bound=1)
    flags.DEFINE_float("max_seconds", MAX_SECONDS, MAX_SECONDS_HELP, lower_bound=0.001)

    def run(_: list[str]) -> None:
        from trainer.asking.attributor import Attributor  # here: --help and a wrong flag answer before TensorFlow loads
        from trainer.asking.page import make_app

        asked, host, port = RunFolder(flags.FLAGS.run_dir), flags.FLAGS.host, flags.FLAGS.port
        with Attributor(asked, flags.FLAGS.max_pixels, flags.FLAGS.max_seconds) as attributor:
            serve(make_app(attributor, asked.name, host, flags.FLAGS.upload_mib), host, port)

    def serve(page: flask.Flask, host: str, port: int) -> None:
        server = listen(host, port, page)
        if not is_loopback(server.effective_host):
            complain(
                f"Listening on {host}: everybody on the network who reaches this machine can ask this run, and see its "
                "nearest training paintings. There is no password. --host=127.0.0.1 keeps it to this machine."
            )
        say(f"Open http://{f'[{host}]' if ':' in host else host}:{server.effective_port}/ (Ctrl-C ends it)")
        server.run()

    app.run(run, argv)


def is_loopback(address: str) -> bool:
    """Whether an IP address is reached from this machine alone."""
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback


if __name__ == "__main__":
    sys.exit(main())
