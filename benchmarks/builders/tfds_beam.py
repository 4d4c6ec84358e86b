"""TensorFlow Datasets whose examples are made by a Beam pipeline, as its guide has it for large datasets."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.builders import beam as plain
from benchmarks.builders.pictures import Painting
from benchmarks.builders.tfds import builder, examples
from pipeline.dataset.schemes import Scheme


def _generate(paintings: list[Painting], scheme: Scheme) -> Any:
    import apache_beam as beam

    return beam.Create(paintings) | beam.FlatMap(partial(examples, scheme=scheme))


def build(paintings: list[Painting], output: Path, scheme: Scheme, workers: int) -> None:
    """Beam's processes make the examples; TFDS shuffles and writes them."""
    import tensorflow_datasets
    from apache_beam.options.pipeline_options import PipelineOptions

    config = tensorflow_datasets.download.DownloadConfig(beam_options=PipelineOptions(plain.options(workers)))
    builder(paintings, scheme, output, _generate).download_and_prepare(download_config=config)
