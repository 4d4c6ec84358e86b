"""What does a flagfile say? Recipes are read here without being run, and made shorter.

A recipe is a flagfile of trainer.main that names its crop scheme (in --dataset_dir) and its --epochs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from absl import flags

from pipeline.dataset.schemes import Scheme, parse_scheme
from pipeline.errors import InputError
from trainer.config import FLAGS, define_flags
from trainer.network.backbones import BACKBONES

RECIPES = Path(__file__).parents[1] / "recipes"
FROM_NOTHING = "-from-nothing"  # ends the name of a recipe that had to do without its pretrained weights


@dataclass(frozen=True, slots=True)
class Recipe:
    """A flagfile, read.

    Attributes:
      name: of the file, without its extension.
      path: the file.
      scheme: of the dataset it trains on.
      flags: what it sets, by name, each of the type that `Config` has it in.
      changes: what is to be passed after the file, because it shall differ.
    """

    name: str
    path: Path
    scheme: Scheme
    flags: Mapping[str, Any]
    changes: Mapping[str, Any]

    @property
    def settings(self) -> dict[str, Any]:
        """The flags, changes included."""
        return {**self.flags, **self.changes}

    @property
    def pretrained(self) -> bool:
        """Whether it starts from weights that Keras downloads."""
        backbone = str(self.settings.get("backbone", FLAGS["backbone"].default))
        return self.settings.get("weights") == "imagenet" and BACKBONES[backbone].pretrained == "keras"

    @property
    def embeds(self) -> bool:
        """Whether it fits a head to embeddings."""
        return self.settings.get("train") == "head"


def read(path: Path) -> Recipe:
    """Reads a recipe. Raises InputError where it is none, with what it lacks."""
    if not path.is_file():
        raise InputError(f"There is no recipe {path}. Those of this project are in {RECIPES}.")
    values = flags.FlagValues()
    define_flags(values)
    try:
        values(["recipe", f"--flagfile={path}"])
    except flags.Error as error:
        raise InputError(f"{path} is no flagfile of trainer.main: {error}.") from error
    given: dict[str, Any] = {name: values[name].value for name in values if values[name].present}
    for needed in ("dataset_dir", "epochs"):
        if needed not in given:
            raise InputError(f"{path}: a recipe says --{needed}, so that it can be run on any paintings and cut short.")
    return Recipe(path.stem, path, scheme_of(given["dataset_dir"], path), given, {})


def scheme_of(dataset_dir: str, path: Path) -> Scheme:
    """The scheme of a folder such as datasets/crop64x16 or datasets/crop64x16/1.0.0. Raises InputError for another."""
    parts = Path(dataset_dir).parts
    for name in reversed(parts[-2:]):
        try:
            return parse_scheme(name)
        except ValueError:
            continue
    raise InputError(
        f"{path}: expected a --dataset_dir that ends in a crop scheme, such as datasets/crop64x16. "
        f"Received {dataset_dir}."
    )


def shortened(recipe: Recipe, epochs: int) -> Recipe:
    """The same in at most so many epochs: what it counts in epochs shrinks in proportion.

    A warm-up of 2 in 20 epochs becomes 0.1 in 1; of 2 epochs for the head alone nothing is left then.
    """
    before = recipe.settings
    if epochs >= before["epochs"]:
        return recipe
    share = epochs / before["epochs"]
    changes: dict[str, Any] = {"epochs": epochs}
    if before.get("warmup"):
        changes["warmup"] = round(before["warmup"] * share, 6)
    if before.get("freeze_epochs"):
        changes["freeze_epochs"] = round(before["freeze_epochs"] * share)
    return replace(recipe, changes={**recipe.changes, **changes})


def from_nothing(recipe: Recipe) -> Recipe:
    """The same without pretrained weights, under a name that says so."""
    loaded = {"freeze_epochs": 0, "train": "all", "thaw": 1.0, "backbone_rate": 1.0}  # what goes with weights
    changes = {**recipe.changes, "weights": "none", **loaded}
    return replace(recipe, name=recipe.name + FROM_NOTHING, changes=changes)


def follows(recipe: Recipe, scheme: Scheme, run: Mapping[str, Any]) -> bool:
    """Whether a run of that scheme and those flags is this recipe, however long, on whatever paintings and machine."""
    decisive = {name: value for name, value in recipe.flags.items() if not FLAGS[name].left_open}
    return scheme == recipe.scheme and all(run.get(name) == value for name, value in decisive.items())


def comment(recipe: Recipe) -> str:
    """The comment the file begins with, without its marks."""
    text = recipe.path.read_text(encoding="utf-8")
    return "\n".join(re.findall(r"(?m)^# ?(.*)$", text))
