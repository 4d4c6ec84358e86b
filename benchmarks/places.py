"""python -m benchmarks.places: a build from and to an object store beside the same on a local disk.

125 paintings of the embedded gallery, crop64x16: on the disk, and in S3 as moto's server on loopback plays it, which
answers after 0, 1 and 50 ms. Seconds, requests, and peak memory of the build; ratios are taken within a round. Needs
the extra [cloud-tests].
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from benchmarks.measure import run, save, spread, table
from pipeline.atelier.gallery import write_gallery
from pipeline.storage import objects

PAINTINGS = 125
DELAYS = (0, 1, 50)  # ms
_PEAK = re.compile(r"peak memory (\d+) MiB")


class Store:
    """moto's S3, which answers late and counts its requests."""

    def __init__(self) -> None:
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

        self.delay, self.requests = 0.0, Counter[str]()
        self._answer: Any = DomainDispatcherApplication(create_backend_app)

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        """A request, by WSGI."""
        self.requests[environ["REQUEST_METHOD"]] += 1
        time.sleep(self.delay / 1000)
        answer: Iterable[bytes] = self._answer(environ, start)
        return answer


@contextmanager
def serving(store: Store) -> Iterator[str]:
    """The address of an empty bucket."""
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        def log_request(self, *_: Any) -> None:
            pass

    server = make_server("127.0.0.1", 0, store, threaded=True, request_handler=Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    os.environ |= {"AWS_ENDPOINT_URL": endpoint, "AWS_REGION": "us-east-1"}
    os.environ |= {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    urlopen(Request(f"{endpoint}/bucket", method="PUT")).close()
    try:
        yield "s3://bucket"
    finally:
        server.shutdown()


def build(data_dir: str, output_dir: str) -> tuple[float, float]:
    """Seconds, and MiB of the build's processes at their peak, as it says itself."""
    where = (f"--data_dir={data_dir}", f"--output_dir={output_dir}")
    done = run([sys.executable, "-m", "pipeline.build", *where, "--crop=64", "--samples=16"])
    found = _PEAK.search(done.stdout)
    assert found, done.stdout
    return done.seconds, float(found[1])


def main() -> None:
    """Measures, prints a table, writes benchmarks/results/places.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    scratch = Path(tempfile.mkdtemp(prefix="morelli-places-"))
    seen: dict[str, dict[str, list[float]]] = {}
    store = Store()
    try:
        write_gallery(scratch / "art", paintings=PAINTINGS)
        with serving(store) as bucket:
            for path in sorted((scratch / "art").rglob("*.*")):
                objects.put(f"{bucket}/art/{path.relative_to(scratch / 'art').as_posix()}", [path.read_bytes()])
            for number in range(rounds):
                for delay in (None, *DELAYS):
                    name = "local disk" if delay is None else f"S3, {delay} ms"
                    store.delay, store.requests = float(delay or 0), Counter()
                    if delay is None:
                        seconds, peak = build(str(scratch / "art"), str(scratch / f"{number}"))
                    else:
                        seconds, peak = build(f"{bucket}/art", f"{bucket}/{number}-{delay}")
                    held = seen.setdefault(name, {"seconds": [], "peak_mib": [], "requests": []})
                    held["seconds"].append(seconds)
                    held["peak_mib"].append(peak)
                    held["requests"].append(float(store.requests.total()))
                    print(f"{name}: {seconds:.1f} s, {store.requests.total()} requests", flush=True)
    finally:
        shutil.rmtree(scratch)
    local = seen["local disk"]["seconds"]
    rows = [
        [
            name,
            spread(held["seconds"], 1),
            spread([own / here for own, here in zip(held["seconds"], local, strict=True)], 2),
            spread(held["requests"]),
            spread(held["peak_mib"]),
        ]
        for name, held in seen.items()
    ]
    print(f"\n{PAINTINGS} paintings, crop64x16, from and to the place, median (range) of {rounds}\n")
    print(table(["place", "seconds", "times the local disk", "requests", "peak MiB"], rows))
    print(f"\nWritten to {save('places', {'places': seen})}")


if __name__ == "__main__":
    main()
