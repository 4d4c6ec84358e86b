"""What does the frozen backbone say of every record? Each passes it once; what came of it is kept, shard by shard.

A file of embeddings belongs to one shard and is there whole or not at all, so that whoever is stopped resumes at the
first shard that is missing. The folder is named by all that decides the numbers: the dataset's fingerprint, the
network, and the digest of its weights. Embeddings of other weights are therefore never taken for these.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipeline.dataset.contract import SPLITS, Shard
from pipeline.dataset.dataset import Dataset
from pipeline.storage import files
from pipeline.terminal.progress import Progress
from trainer.data.evaluation import damage_named, listed_batches, shard_batches
from trainer.network.models import Design, Network
from trainer.network.pretrained import cache_folder

READ = 1024  # embeddings read at once
_VERSION = 2  # of what stands in the files


@dataclass(frozen=True, eq=False)
class Embeddings:
    """The embeddings of a dataset's records, on disk.

    Attributes:
      dataset: whose records they are of.
      folder: that holds a file for each shard.
      features: numbers of each.
    """

    dataset: Dataset
    folder: Path
    features: int

    def path(self, shard: Shard) -> Path:
        """Where those of a shard lie."""
        return self.folder / f"{Path(shard.filename).name}.npz"

    def read(self, shard: Shard) -> np.ndarray | None:
        """float32[records, features] of a shard, in the order of its records; None where they must be made (again)."""
        path = self.path(shard)
        if not path.is_file():
            return None
        try:
            with np.load(path, allow_pickle=False) as archive:
                held: np.ndarray = archive["embeddings"]
        except Exception as error:  # zipfile, zlib and NumPy say in many ways that bytes are not what was written
            logging.warning("%s is damaged (%s); its shard is embedded again.", path, error)
            return None
        if held.shape != (shard.records, self.features) or held.dtype != np.float32:
            logging.warning("%s holds something else than a shard's embeddings; they are made again.", path)
            return None
        return held

    def batches(self, split: str, batch_size: int) -> Iterator[dict[str, Any]]:
        """The records of a split as `listed_batches` gives them, each with its "embedding" float32[batch, features]."""
        for shard in self.dataset.contract.splits[split]:
            held = self.read(shard)
            if held is None:
                raise FileNotFoundError(self.path(shard))  # `embed` has just looked at all of them
            at = 0
            for batch in listed_batches(self.dataset, [shard], batch_size):
                count = len(batch["label"])
                yield {**batch, "embedding": held[at : at + count]}
                at += count


def embed(dataset: Dataset, design: Design, network: Network, batch_size: int) -> tuple[Embeddings, dict[str, float]]:
    """Embeds what is not embedded yet.

    Args:
      dataset: all records of all its splits.
      design, network: with the backbone's weights loaded.
      batch_size: records of a step. The memory that is needed grows with it, and with nothing else.

    Returns:
      The embeddings, and the speed of what was left to do: examples_per_second, data_wait_fraction and seconds.

    Raises:
      DatasetError, DamagedShardError: a shard is missing or damaged.
    """
    dataset.check_shards(*SPLITS)
    made = Embeddings(dataset, _folder(dataset, design, network), network.embedding.output.shape[-1])
    missing = {
        split: [shard for shard in dataset.contract.splits[split] if made.read(shard) is None] for split in SPLITS
    }
    total = sum(dataset.contract.records(split) for split in SPLITS)
    left = sum(shard.records for shards in missing.values() for shard in shards)
    size = design.picture_size
    step = tf.function(
        lambda pictures: network.embedding(pictures, training=False),
        input_signature=[tf.TensorSpec([None, size, size, 3], tf.uint8)],
        autograph=False,
    )
    started, waited = time.perf_counter(), 0.0
    if left:
        _describe(made, design)
        with Progress("embedding", total, "record", done=total - left) as progress:
            for split, shards in missing.items():
                with damage_named(dataset, split):
                    waited += _embed_shards(made, shards, design, step, batch_size, progress)
    seconds = max(time.perf_counter() - started, 1e-9)
    return made, {
        "examples_per_second": left / seconds,
        "data_wait_fraction": waited / seconds,
        "seconds": seconds,
    }


def _embed_shards(
    made: Embeddings, shards: list[Shard], design: Design, step: Any, batch_size: int, progress: Progress
) -> float:
    """Writes the embeddings of some shards of a split. Returns the seconds spent waiting for records."""
    waited = 0.0
    batches = shard_batches(made.dataset, shards, batch_size, design.picture_size)
    for shard in shards:
        held: list[np.ndarray] = []
        while sum(map(len, held)) < shard.records:
            asked = time.perf_counter()
            pictures = next(batches)["image"]
            waited += time.perf_counter() - asked
            held.append(step(pictures).numpy())
            progress.add(len(pictures))
        with files.stream(made.path(shard)) as stream:
            np.savez(stream, embeddings=np.concatenate(held))
    return waited


def _folder(dataset: Dataset, design: Design, network: Network) -> Path:
    """Named by all that decides the numbers."""
    facts = {"version": _VERSION, "fingerprint": dataset.contract.fingerprint, **_sight(design)}
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for variable in network.embedding.weights:
        digest.update(np.ascontiguousarray(variable.numpy()).tobytes())
    digest.update(str(keras.config.floatx()).encode() + network.backbone.output.dtype.encode())
    return cache_folder() / "embeddings" / digest.hexdigest()[:32]


def _sight(design: Design) -> dict[str, Any]:
    """What of a design decides an embedding: not the number of artists, nor the dropout of the head."""
    return {name: value for name, value in asdict(design).items() if name not in ("classes", "dropout")}


def _describe(made: Embeddings, design: Design) -> None:
    """For whoever finds the folder and wonders what it is."""
    about = {
        "what": "embeddings of the records of a dataset; made again where they are missing",
        "dataset": made.dataset.folder,
        "fingerprint": made.dataset.contract.fingerprint,
        **_sight(design),
    }
    made.folder.mkdir(parents=True, exist_ok=True)
    files.write_text(made.folder / "about.json", json.dumps(about, indent=1) + "\n")
