"""Running pipeline.build as a user does, and comparing what comes out."""

import subprocess
import sys
from pathlib import Path

from tests import forked

ROOT = Path(__file__).parents[2]


def command(data_dir: Path | str | None, output_dir: Path | str, *flags: str) -> list[str]:
    data = [f"--data_dir={data_dir}"] if data_dir else []
    return [sys.executable, "-m", "pipeline.build", *data, f"--output_dir={output_dir}", *flags]


def run(data_dir: Path | str | None, output_dir: Path | str, *flags: str) -> subprocess.CompletedProcess[str]:
    return forked.run(*command(data_dir, output_dir, *flags)[2:])


def start(data_dir: Path | str | None, output_dir: Path | str, *flags: str, **variables: str) -> forked.Command:
    return forked.Command(*command(data_dir, output_dir, *flags)[2:], **variables)


def build(data_dir: Path | str | None, output_dir: Path | str, *flags: str) -> str:
    """Builds, and returns what was printed."""
    done = run(data_dir, output_dir, *flags)
    assert done.returncode == 0, done.stderr
    return done.stdout


def contents(dataset: Path) -> dict[str, bytes]:
    """File name -> bytes of a dataset's files, but for the card, which says where the dataset lies."""
    return {
        path.name: path.read_bytes()
        for path in sorted(dataset.iterdir())
        if path.is_file() and path.name[0] != "." and path.name != "card.html"
    }


def shards(dataset: Path) -> dict[str, bytes]:
    return {name: data for name, data in contents(dataset).items() if ".tfrecord-" in name}
