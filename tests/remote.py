"""An object store on loopback: moto's S3, for tests of what is done with addresses such as s3://bucket/folder."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import pytest

from pipeline.storage import objects

BUCKET = "bucket"


@contextmanager
def serving() -> Iterator[str]:
    """The address of an empty bucket, which this process and all that it starts can reach."""
    server_module = pytest.importorskip("moto.server", reason="moto of the extra [cloud-tests] is not installed")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = server_module.ThreadedMotoServer("127.0.0.1", port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        variables = {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
        }
        with mock.patch.dict(os.environ, variables):
            objects._client.cache_clear()
            make_bucket(BUCKET)
            yield f"s3://{BUCKET}"
    finally:
        objects._client.cache_clear()
        server.stop()


def make_bucket(name: str) -> None:
    from urllib.request import Request, urlopen

    urlopen(Request(f"{os.environ['AWS_ENDPOINT_URL']}/{name}", method="PUT")).close()


def put(folder: str, *names: str, content: bytes) -> None:
    """Writes objects below a folder."""
    for name in names:
        objects.put(f"{folder}/{name}", [content])
