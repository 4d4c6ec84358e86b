"""python -m pipeline.download --output=DIR: fetches the reference paintings from Kaggle.

kagglehub (an optional dependency) downloads, shows progress and resumes. It is given a cache inside DIR rather than its
own `output_dir`, which after a broken download refuses to resume ("output_dir is not empty").
"""

from __future__ import annotations

import argparse
import errno
import os
import shutil
import sys
from pathlib import Path

from pipeline.errors import InputError
from pipeline.terminal.command import RESUMES, command
from pipeline.terminal.streams import say

DATASET = "ikarus777/best-artworks-of-all-time"
PAGE = f"https://www.kaggle.com/datasets/{DATASET}"
BY_HAND = f"Or by hand: download the archive from {PAGE} in a browser, unpack it, and pass its folder as --data_dir."
CACHE = ".kagglehub"  # within the output folder: finished files are then renamed, not copied


def download(output: Path) -> Path:
    """Fetches the reference set; resumes where an earlier call broke off.

    Args:
      output: a new or empty folder, or one that an earlier call left.

    Returns:
      The folder that holds images/ and artists.csv: `output`, or where a Kaggle or Colab notebook keeps its own copy.

    Raises:
      InputError: what to do without kagglehub, network, access or room.
    """
    if output.exists() and not output.is_dir():
        raise InputError(f"{output} is a file. Pass a new folder as --output.")
    cache = output / CACHE
    if not cache.exists():
        if (output / "images").is_dir() and (output / "artists.csv").is_file():
            return output
        if output.is_dir() and any(output.iterdir()):
            raise InputError(f"{output} holds other files. Pass a new folder as --output.")
    try:
        cache.mkdir(parents=True, exist_ok=True)
        fetched = _fetch(cache)
        if not fetched.is_relative_to(cache.resolve()):
            shutil.rmtree(cache)
            return fetched
        for path in fetched.iterdir():
            path.rename(output / path.name)
        shutil.rmtree(cache)
    except OSError as error:
        advice = "Free some 5 GB" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "Fix that"
        raise InputError(
            f"{output} cannot be written: {error}. {advice}, and run the same command again: it resumes."
        ) from error
    return output


def _fetch(cache: Path) -> Path:
    """Calls kagglehub. Returns the folder of the unpacked files. Raises InputError, or OSError of the disk."""
    try:
        import kagglehub
        import requests
    except ImportError as error:
        raise InputError(f"kagglehub is not installed. Run: pip install kagglehub. {BY_HAND}") from error
    os.environ["KAGGLEHUB_CACHE"] = str(cache.resolve())  # kagglehub takes it from nowhere else
    try:
        return Path(kagglehub.dataset_download(DATASET)).resolve()
    except requests.HTTPError as error:
        raise InputError(_refused(error.response.status_code if error.response is not None else 0, error)) from error
    except requests.RequestException as error:  # no name, no route, a proxy's refusal, or a connection that broke
        raise InputError(
            f"Kaggle cannot be reached, or the connection broke ({type(error).__name__}). Check the network and run "
            f"the same command again: it resumes where it stopped. {BY_HAND}"
        ) from error
    except OSError:
        raise
    except Exception as error:  # damaged archive, unreadable kaggle.json: kagglehub's own types, which it moves about
        raise InputError(
            f"kagglehub failed: {error}. Run the same command again; if it fails again, delete {cache} first. {BY_HAND}"
        ) from error


def _refused(status: int, error: Exception) -> str:
    """What to do about an HTTP status."""
    if status in (401, 403):
        return (
            f"Kaggle refused access (HTTP {status}). Create a token at https://www.kaggle.com/settings (API), and save "
            "it as ~/.kaggle/kaggle.json or set KAGGLE_API_TOKEN. If Kaggle asks for consent to the set's terms, "
            f"give it once at {PAGE}. {BY_HAND}"
        )
    if status == 404:
        return f"Kaggle has no dataset {DATASET} any more (HTTP 404). Look for it at {PAGE}."
    if status == 429:
        return f"Kaggle asks to wait (HTTP 429). Run the same command again in some minutes. {BY_HAND}"
    return f"Kaggle answered with an error ({error}). Run the same command again later. {BY_HAND}"


@command(RESUMES)
def main(argv: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.download",
        description=f"Fetches Kaggle's {DATASET}: 50 artists, 8,446 paintings, 2.3 GB. Interrupted, the same command "
        "resumes where it stopped. Needs pip install kagglehub.",
        epilog=BY_HAND,
    )
    parser.add_argument("--output", required=True, metavar="DIR", help="folder to put images/ and artists.csv into")
    arguments = parser.parse_args(argv)
    folder = download(Path(arguments.output).expanduser())
    say(f"The paintings are in {folder}. Build a dataset from them with:")
    say(f"  python -m pipeline.build --data_dir={folder} --crop=64 --samples=16")


if __name__ == "__main__":
    sys.exit(main())
