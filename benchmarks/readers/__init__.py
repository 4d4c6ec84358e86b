"""What else one would feed shuffled crops to a training step with: a module per peer, as its documentation recommends.

Each has

    prepare(crops, folder)                              writes crops in the peer's format, once
    batches(folder, batch, workers) -> iterator         of (pictures [batch, size, size, 3], labels [batch]), shuffled,
                                                        one epoch after the other without end

`ours`, `tfds`, `plain` and `limit` read the project's own dataset, which lies in folder/dataset.
"""

from __future__ import annotations

PEERS = {
    "tfds": ("TensorFlow Datasets' as_dataset on the same files", "tensorflow-datasets"),
    "plain": ("TFRecordDataset, shuffled, parsed by the batch", "tensorflow"),
    "single": ("TFRecordDataset, shuffled, parsed one by one", "tensorflow"),
    "keras_files": ("keras.utils.image_dataset_from_directory on PNG files", "keras"),
    "web": ("WebDataset through WebLoader", "webdataset"),
    "mosaic": ("mosaicml-streaming through a DataLoader", "mosaicml-streaming"),
    "grain_arrays": ("Grain on ArrayRecord files", "grain"),
    "hugging_face": ("Hugging Face datasets, as an iterable of Arrow shards", "datasets"),
}
"""Module -> what it is, and the distribution it needs."""
OURS, LIMIT = "ours", "limit"
TUNED = {"web": (2, 1), "mosaic": (2, 1), "grain_arrays": (0, 2, 1), "hugging_face": (0, 1, 2)}
"""Numbers of worker processes to choose from, by measurement; the first was best of 64 px on two cores."""
SHUFFLE_MIB = 128  # of all that shuffle in a buffer
