"""A small gallery with all the defects of real folders, a dataset built from it, and one to train on."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import galleries
from tests.datasets import make_dataset
from tests.end_to_end import builds

SCHEMES = ("--crop=64", "--samples=4", "--reshape=48")
ALLOW = "--max_rejects=0.5"


@pytest.fixture(scope="session")
def gallery(painted, tmp_path_factory):
    folder = tmp_path_factory.mktemp("gallery")
    galleries.write(folder, painted, galleries.MOST, defects=True)
    yield folder
    for path in folder.rglob("*"):  # pytest cannot delete what may not be read
        if not path.is_symlink():
            path.chmod(0o755)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def built(gallery, tmp_path_factory) -> Path:
    """The output folder of an undisturbed build with two workers: crop64x4 and reshape48."""
    output = tmp_path_factory.mktemp("built")
    (output / "printed.txt").write_text(builds.build(gallery, output, *SCHEMES, ALLOW, "--workers=2"))
    return output


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("data"), paintings=40, scheme="crop32x4", weights=(9, 5, 3, 1))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 3 MiB, which `mount -o remount,size=...` makes larger."""
    folder = tmp_path / "small"
    folder.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "none", folder]).returncode:
        pytest.skip("only root may mount a small disk, and not everywhere")
    yield folder
    subprocess.run(["umount", folder], check=True)
