"""A plain Beam pipeline: paths, a FlatMap that cuts them, WriteToTFRecord."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks.builders.example import example
from benchmarks.builders.pictures import Painting, cut
from pipeline.dataset.schemes import Scheme


def options(workers: int) -> list[str]:
    """For all cores of one machine."""
    return ["--runner=FnApiRunner", "--direct_running_mode=multi_processing", f"--direct_num_workers={workers}"]


def _examples(scheme: Scheme, painting: Painting) -> Iterator[bytes]:
    for picture in cut(painting, scheme):
        yield example(picture, painting.label)


def build(paintings: list[Painting], output: Path, scheme: Scheme, workers: int) -> None:
    """Writes as many shards as Beam likes."""
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions

    with beam.Pipeline(options=PipelineOptions(options(workers))) as pipeline:
        _ = (
            pipeline
            | beam.Create(paintings)
            | beam.Reshuffle()
            | beam.FlatMap(partial(_examples, scheme))
            | beam.io.WriteToTFRecord(str(output / "crops"), file_name_suffix=".tfrecord")
        )
