"""Embeddings: made once, kept by shard, resumed."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from pipeline.dataset.dataset import Dataset
from trainer.data.evaluation import evaluation_batches
from trainer.heads import embeddings
from trainer.heads.embeddings import Embeddings, embed
from trainer.network import models
from trainer.network.models import Design, Network


@pytest.fixture(scope="module")
def design() -> Design:
    return Design("ResNet8", 32, 32, 5, 0.0, grayscale=False, stages=True)


@pytest.fixture(scope="module")
def network(design: Design) -> Network:
    return models.build(design)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def contents(made: Embeddings) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in made.folder.iterdir()}


def test_they_are_what_the_network_says_of_each_record(judged_dataset: Path, design: Design, network: Network) -> None:
    dataset = Dataset.open(judged_dataset)
    made, speed = embed(dataset, design, network, 7)
    assert speed["examples_per_second"] > 0
    batches = list(made.batches("test", 16))
    expected = next(iter(evaluation_batches(dataset, "test", 1000)))
    assert b"".join(name for batch in batches for name in batch["painting_id"]) == b"".join(expected["painting_id"])
    held = np.concatenate([batch["embedding"] for batch in batches])
    assert held.shape == (len(expected["label"]), 32 + 64 + 128 + 256)
    np.testing.assert_allclose(held, network.embedding(expected["image"]).numpy(), rtol=1e-4, atol=1e-5)


def test_whoever_is_stopped_resumes_to_the_same_bytes(
    judged_dataset: Path, design: Design, network: Network, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    dataset = Dataset.open(judged_dataset)
    undisturbed = contents(embed(dataset, design, network, 16)[0])
    assert len(undisturbed) > 3
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache / "again"))
    real, steps = embeddings.files.stream, 0

    def cut_short(path: Path):
        nonlocal steps
        steps += 1
        if steps in (2, 4, 5):
            raise KeyboardInterrupt
        return real(path)

    monkeypatch.setattr(embeddings.files, "stream", cut_short)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            embed(dataset, design, network, 16)
    made, _ = embed(dataset, design, network, 16)
    assert contents(made) == undisturbed
    written = steps
    embed(dataset, design, network, 16)
    assert steps == written  # nothing was left to do


@pytest.mark.parametrize("harm", ["cut", "flipped", "other"])
def test_a_damaged_file_is_made_again_with_a_note(
    harm: str, judged_dataset: Path, design: Design, network: Network, caplog: pytest.LogCaptureFixture
) -> None:
    dataset = Dataset.open(judged_dataset)
    made, _ = embed(dataset, design, network, 16)
    whole = contents(made)
    path = made.path(dataset.contract.splits["train"][0])
    data = bytearray(path.read_bytes())
    if harm == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif harm == "flipped":
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    else:
        np.savez(path, embeddings=np.zeros((3, 3), np.float32))
    with caplog.at_level(logging.WARNING):
        embed(dataset, design, network, 16)
    assert path.name in caplog.text
    assert contents(made) == whole


def test_embeddings_of_other_weights_or_another_sight_are_not_taken_for_these(
    judged_dataset: Path, design: Design, network: Network
) -> None:
    dataset = Dataset.open(judged_dataset)
    made, _ = embed(dataset, design, network, 64)
    other = models.build(design)  # with other random weights
    gray = Design("ResNet8", 32, 32, 5, 0.0, grayscale=True, stages=True)
    same_eyes = Design("ResNet8", 32, 32, 9, 0.5, grayscale=False, stages=True)
    assert embed(dataset, design, other, 64)[0].folder != made.folder
    assert embeddings._folder(dataset, gray, network) != made.folder
    assert embeddings._folder(dataset, same_eyes, network) == made.folder  # the head is nobody's business there
