"""What else one would feed augmented pictures to a training step with: a module per peer, as its documentation has it.

Each has `batches(feed) -> iterator` of (pictures uint8 or float32[batch, side, side, 3], targets [batch, classes]),
shuffled, augmented, one epoch after the other without end. All read the same records of the same dataset, and do the
same work: a random window, resizing with antialiasing, flips, colour, erasing, and mixing of batches. Peers do it on
the processor, as they are made to; this project decodes, cuts and resizes there, and the rest is part of its step.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.dataset.dataset import Dataset
from pipeline.dataset.frames import read_frames
from pipeline.dataset.records import parse_record

OURS, LIMIT = "ours", "decoding"
PEERS = {
    "classic": ("tf.data with decode_and_crop_jpeg and TensorFlow's image operations", "tensorflow"),
    "keras_layers": ("tf.data with Keras's augmentation layers", "keras"),
    "torch_loader": ("PyTorch's DataLoader with Albumentations, on OpenCV", "albumentations"),
    "grain_loader": ("Grain with OpenCV", "grain"),
}
"""Module -> what it is, and the distribution it needs."""
LEVELS = {"none": ("none", False), "light": ("light", False), "strong": ("strong", False), "windows": ("strong", True)}
"""Name -> --augment and --random_resized_crop."""
JITTER = {"light": 0.1, "strong": 0.3}
SMALLEST, ASPECT = 0.2, (3 / 4, 4 / 3)  # of random windows
ERASED = 0.25  # share of pictures that lose a rectangle


@dataclass(frozen=True, slots=True)
class Feed:
    """What is fed.

    Attributes:
      folder: of the dataset.
      side: of the pictures that the step takes.
      batch: pictures.
      augment, windows: --augment, and whether --random_resized_crop.
      cores: to use.
    """

    folder: Path
    side: int
    batch: int
    augment: str
    windows: bool
    cores: int

    @property
    def dataset(self) -> Dataset:
        """The dataset, opened."""
        return Dataset.open(self.folder)


def records(dataset: Dataset) -> Iterator[tuple[bytes, int]]:
    """What the training records hold as their picture, and their labels."""
    for shard in dataset.contract.splits["train"]:
        path = dataset.shard_path(shard)
        with open(path, "rb") as stream:
            for _, payload in read_frames(stream, path):
                record = parse_record(payload, dataset.contract)
                yield record.image, record.label
