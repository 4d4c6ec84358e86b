"""TensorFlow Datasets: a GeneratorBasedBuilder whose examples come from one process, as its guide starts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.builders.pictures import Painting, cut
from pipeline.dataset.schemes import Scheme


def builder(paintings: list[Painting], scheme: Scheme, output: Path, generate: Any) -> Any:
    """A builder in `output` whose training split is what `generate(paintings, scheme)` gives."""
    import tensorflow_datasets

    class Crops(tensorflow_datasets.core.GeneratorBasedBuilder):
        """Crops of paintings."""

        VERSION = tensorflow_datasets.core.Version("1.0.0")

        def _info(self) -> Any:
            # Bytes as they are: Image would spend most of the time on PNG.
            picture = tensorflow_datasets.features.Tensor(
                shape=(scheme.size, scheme.size, 3), dtype=np.uint8, encoding="bytes"
            )
            return self.dataset_info_from_configs(
                features=tensorflow_datasets.features.FeaturesDict(
                    {"image": picture, "label": tensorflow_datasets.features.ClassLabel(num_classes=1000)}
                )
            )

        def _split_generators(self, _: Any) -> Any:
            return {"train": self._generate_examples()}

        def _generate_examples(self) -> Any:
            return generate(paintings, scheme)

    return Crops(data_dir=str(output))


def examples(painting: Painting, scheme: Scheme) -> Iterator[tuple[str, dict[str, Any]]]:
    """Keys and features of a painting's crops."""
    for number, picture in enumerate(cut(painting, scheme)):
        yield f"{painting.path} {number}", {"image": picture, "label": painting.label}


def _generate(paintings: list[Painting], scheme: Scheme) -> Iterator[tuple[str, dict[str, Any]]]:
    for painting in paintings:
        yield from examples(painting, scheme)


def build(paintings: list[Painting], output: Path, scheme: Scheme, workers: int) -> None:
    """One process, whatever `workers`: TFDS has no other way without Beam."""
    del workers
    builder(paintings, scheme, output, _generate).download_and_prepare()
