"""What else one would build a dataset of crops with: a module per peer, each as its documentation recommends.

Each has `build(paintings, output, scheme, workers)`, which writes the same pictures (16 windows of 64 px a painting, or
one picture of 256 px) with their labels, unsplit. None of them surveys, removes copies, splits by painting, checksums
or syncs what it writes, or resumes after a kill, as `pipeline.build` does.
"""

from __future__ import annotations

PEERS = {
    "afternoon": ("a process pool, each worker with its TFRecordWriter: an afternoon's work", "tensorflow"),
    "tfds": ("TensorFlow Datasets, GeneratorBasedBuilder", "tensorflow-datasets"),
    "tfds_beam": ("TensorFlow Datasets on Beam", "tensorflow-datasets"),
    "beam": ("plain Beam to WriteToTFRecord", "apache-beam"),
    "web": ("WebDataset's ShardWriter, fed by a process pool", "webdataset"),
    "mosaic": ("mosaicml-streaming's MDSWriter, fed by a process pool", "mosaicml-streaming"),
    "img2": ("img2dataset on file:// addresses, JPEG in tar files", "img2dataset"),
}
"""Module -> what it is, and the distribution it needs."""
CANNOT = {
    ("img2", "crop64x16"): "it cannot cut windows out of a picture",
    ("beam", "reshape256"): "left out for time: it is Beam that is slow, whatever the pictures",
    ("tfds_beam", "reshape256"): "left out for time, as plain Beam is",
}
