"""A small run to judge: painted files, their dataset, and a model that has learned a little.

The dataset is made of image files through the builder's own `images.cut` and `records.encode_example`, so that
attributing a file can be held against the records made of it.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.dataset.contract import (
    CONTRACT_FILE,
    VERSION,
    Artist,
    Contract,
    Encoding,
    Shard,
    shard_filename,
)
from pipeline.dataset.dataset import Dataset
from pipeline.dataset.example import encode_example
from pipeline.dataset.frames import frame
from pipeline.dataset.paintings import PAINTINGS_FILE, PaintingRow, paintings_table
from pipeline.dataset.schemes import parse_scheme
from pipeline.pictures.crops import cut, encode
from pipeline.pictures.decode import decode
from trainer.data.parse import parse_batch

ARTISTS = (
    Artist("Ada Umber", "1840 - 1900", "Realism", "Danish"),
    Artist("Béla Ochre", "1860 - 1921", "Realism,Impressionism", "Hungarian"),
    Artist("Cyn <i>Vermilion</i>", "1901 - 1960", "Abstract", "Welsh"),
    Artist("Dora Lake", "1599 - 1660", "Baroque", "Dutch"),
    Artist("Egon Sienna", "1862 - 1930", "Impressionism", "Austrian"),
    Artist("Fay Verdigris"),
)
PAINTINGS = {"train": (24, 16, 10, 6, 8, 4), "validation": (8, 6, 4, 2, 3, 2), "test": (12, 8, 6, 3, 4, 2)}
SEED = 7


def paint(label: int, generator: np.random.Generator) -> Image.Image:
    """A picture in an artist's manner: strokes of a direction and hue that neighbours nearly share, under noise."""
    width, height = (int(side) for side in generator.integers(72, 160, 2))
    y, x = np.mgrid[:height, :width]
    angle = label * 0.5 + generator.normal(0, 0.2)
    stripes = np.sin((x * np.cos(angle) + y * np.sin(angle)) * 0.7 + generator.uniform(0, 6.28))
    hue = np.sin(np.array([0.0, 2.1, 4.2]) + label * 0.8 + generator.normal(0, 0.5))
    pixels = 128 + 50 * hue + 25 * stripes[..., None] + generator.normal(0, 30, (height, width, 3))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def make_dataset(folder: Path, scheme: str = "crop32x4", encoding: Encoding = "raw") -> Path:
    """Paints files into `folder/images` and writes their dataset, which it returns."""
    parsed = parse_scheme(scheme)
    target = folder / "datasets" / parsed.name / VERSION
    target.mkdir(parents=True)
    rows, shards = [], {}
    for split, counts in PAINTINGS.items():
        frames = []
        for label, count in enumerate(counts):
            for number in range(count):
                path = folder / "images" / ARTISTS[label].name.replace("/", "") / f"{split} & {number}.jpg"
                path.parent.mkdir(parents=True, exist_ok=True)
                paint(label, np.random.default_rng([SEED, label, number, len(split)])).save(path, quality=92)
                data = path.read_bytes()
                digest = hashlib.sha256(data).hexdigest()
                painting = decode(data, at_least=parsed.resolution)
                row = PaintingRow(
                    painting_id=digest[:16],
                    path=str(path),
                    artist=ARTISTS[label].name,
                    label=label,
                    split=split,
                    shard=0,
                    records=parsed.count(painting.width, painting.height),
                    digest=digest,
                    group=digest[:16],
                    copies=(),
                    width=painting.width,
                    height=painting.height,
                    bytes=len(data),
                )
                rows.append(row)
                frames += [
                    frame(
                        encode_example(
                            encode(crop.pixels, encoding),
                            label,
                            digest[:16],
                            crop.index,
                            crop.box,
                            (painting.width, painting.height),
                        )
                    )
                    for crop in cut(painting, parsed, SEED, digest)
                ]
        order = np.random.default_rng(SEED).permutation(len(frames))
        content = b"".join(frames[index] for index in order)
        name = shard_filename(parsed, split, 0, 1)
        (target / name).write_bytes(content)
        sha256 = hashlib.sha256(content).hexdigest()
        shards[split] = (Shard(name, len(frames), sum(counts), len(content), sha256),)
    fingerprint = hashlib.sha256(repr(shards).encode()).hexdigest()
    build = {"dedup": "near", "data_dir": str(folder / "images")}
    contract = Contract(parsed, encoding, ARTISTS, shards, fingerprint, SEED, build)
    (target / CONTRACT_FILE).write_text(contract.to_json(), encoding="utf-8")
    (target / PAINTINGS_FILE).write_bytes(b"".join(paintings_table(rows)))
    return target


def make_run(run_dir: Path, dataset_dir: Path, steps: int = 60, seed: int = 0) -> Path:
    """Trains a small network for a few steps and leaves what the trainer leaves before it evaluates."""
    import keras

    contract = Dataset.open(dataset_dir).contract
    crops, labels = read_split(dataset_dir, "train")
    keras.utils.set_random_seed(seed)
    size = contract.scheme.size
    inputs = keras.Input((size, size, 3), dtype="uint8")
    x = keras.layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    x = keras.layers.Conv2D(16, 5, strides=2, activation="relu")(x)
    x = keras.layers.Conv2D(24, 3, strides=2, activation="relu")(x)
    x = keras.layers.GlobalAveragePooling2D(name="embedding")(x)
    x = keras.layers.Dense(len(contract.artists), name="logits")(x)
    model = keras.Model(inputs, keras.layers.Softmax(name="scores")(x))
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    generator = np.random.default_rng(seed)
    for _ in range(steps):
        batch = generator.integers(0, len(crops), 32)
        model.train_on_batch(crops[batch], labels[batch])

    run_dir.mkdir(parents=True)
    model.save(run_dir / "best.keras")
    flags = {"backbone": "small", "dataset_dir": str(dataset_dir), "epochs": 2, "grayscale": False, "note": "<b>&"}
    _write_json(run_dir / "flags.json", flags)
    (run_dir / "flags.txt").write_text("".join(f"--{key}={value}\n" for key, value in flags.items()))
    _write_json(
        run_dir / "labels.json",
        {
            "labels": contract.labels,
            "fingerprint": contract.fingerprint,
            "scheme": contract.scheme.name,
        },
    )
    _write_json(
        run_dir / "run.json",
        {
            "fingerprint": contract.fingerprint,
            "dataset_dir": str(dataset_dir),
            "versions": {"keras": keras.__version__},
            "parameters": model.count_params(),
        },
    )
    (run_dir / "metrics.jsonl").write_text("".join(json.dumps(epoch) + "\n" for epoch in EPOCHS))
    return run_dir


def judge(run_dir: Path, dataset_dir: Path | str, throughput: dict[str, float] | None = None) -> dict:
    """Evaluates a run by its model, as trainer.main does."""
    from pipeline.dataset.dataset import Dataset
    from trainer.judging.evaluation import by_model, evaluate_run
    from trainer.run.folder import RunFolder

    run, dataset = RunFolder(run_dir), Dataset.open(dataset_dir)
    return evaluate_run(run, dataset, by_model(run, dataset, 64), throughput or {})


EPOCHS = [
    {
        "epoch": epoch,
        "step": 30 * epoch,
        "train_loss": 1.6 / epoch,
        "train_top1": 0.3 + 0.1 * epoch,
        "validation_loss": 1.7 / epoch**0.5,
        "validation_top1": 0.3 + 0.08 * epoch,
        "validation_top5": 0.9,
        "learning_rate": 0.01 / epoch,
        "examples_per_second": 1000.0 + epoch,
        "step_seconds": 0.03,
        "data_wait_fraction": 0.05,
        "seconds": 3.0,
    }
    for epoch in (1, 2, 3)
]


def read_split(dataset_dir: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """All crops uint8[n, size, size, 3] and labels int[n] of a split, as TensorFlow's own parser reads them."""
    import tensorflow as tf

    contract = Dataset.open(dataset_dir).contract
    files = [str(dataset_dir / shard.filename) for shard in contract.splits[split]]
    serialized = list(tf.data.TFRecordDataset(files).as_numpy_iterator())
    parsed = parse_batch(serialized, contract)
    return parsed["image"], parsed["label"]


def _write_json(path: Path, content: dict) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")
