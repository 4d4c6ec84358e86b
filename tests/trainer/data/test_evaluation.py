"""Evaluation reads every record once, and what is no record of its dataset is named with its shard and place."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.dataset.contract import Encoding
from pipeline.dataset.dataset import Dataset
from pipeline.dataset.example import decode_example
from pipeline.dataset.frames import frame, masked_crc, read_frames
from pipeline.errors import DamagedShardError, DatasetError
from pipeline.verify import verify
from tests.datasets import change_shard, crops, make_dataset, with_fields
from trainer.data.evaluation import count_classes, damage_named, evaluation_batches
from trainer.data.stream import Stream, training_batches


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("data"), paintings=60, scheme="crop32x4", shards=5)


def test_classes_are_counted_per_shard(dataset: Path) -> None:
    opened = Dataset.open(dataset)
    counts = count_classes(opened)
    assert counts.sum(axis=1).tolist() == [shard.records for shard in opened.contract.splits["train"]]


@pytest.mark.parametrize("encoding", ["raw", "png"])
def test_evaluation_reads_every_record_once_and_keeps_the_last_batch(tmp_path: Path, encoding: Encoding) -> None:
    folder = make_dataset(tmp_path, paintings=24, scheme="crop32x3", encoding=encoding)
    batches = list(evaluation_batches(Dataset.open(folder), "train", 7))
    assert [len(batch["label"]) for batch in batches[:-1]] == [7] * (len(batches) - 1)
    assert 0 < len(batches[-1]["label"]) <= 7
    seen = Counter(image.tobytes() for batch in batches for image in batch["image"])
    assert seen == crops(folder, "train")


def test_a_missing_shard_is_named_before_reading(tmp_path: Path) -> None:
    folder = make_dataset(tmp_path, paintings=12, scheme="crop32x2")
    victim = folder / Dataset.open(folder).contract.splits["train"][1].filename
    victim.unlink()
    with pytest.raises(DatasetError, match=rf"{victim.name} is missing.*pipeline\.build"):
        evaluation_batches(Dataset.open(folder), "train", 4)


def test_a_shard_cut_short_is_named_before_reading(tmp_path: Path) -> None:
    folder = make_dataset(tmp_path, paintings=12, scheme="crop32x2")
    victim = folder / Dataset.open(folder).contract.splits["test"][0].filename
    victim.write_bytes(victim.read_bytes()[:-10])
    with pytest.raises(DamagedShardError, match="it was sealed with"):
        evaluation_batches(Dataset.open(folder), "test", 4)


def test_an_unknown_split_is_refused(dataset: Path) -> None:
    with pytest.raises(DatasetError, match="no split 'dev'; it has train, validation, test"):
        evaluation_batches(Dataset.open(dataset), "dev", 4)


def giant(length: int) -> bytes:
    """The start of a record that claims to be so long, with the right CRC."""
    header = struct.pack("<Q", length)
    return header + masked_crc(header) + bytes(20)


def without_box(payload: bytes) -> bytes:
    import tensorflow as tf

    example = tf.train.Example.FromString(payload)
    del example.features.feature["crop_box"]
    return example.SerializeToString(deterministic=True)


def with_foreign_id(payload: bytes) -> bytes:
    found = decode_example(payload)["painting_id"]
    return payload.replace(found, b"\xc3\xa9" + found[2:])


FAULTS: dict[str, Callable[[bytes], bytes]] = {
    "1 TiB long": lambda payload: giant(1 << 40),
    "longer than integers": lambda payload: giant((1 << 64) - 1),
    "another picture": lambda payload: frame(with_fields(payload, image=b"x" * 99)),
    "no such artist": lambda payload: frame(with_fields(payload, label=4)),
    "negative label": lambda payload: frame(with_fields(payload, label=(1 << 64) - 1)),
    "no box": lambda payload: frame(without_box(payload)),
    "a box of NaN": lambda payload: frame(with_fields(payload, crop_box=[0, 0, float("nan"), 9])),
    "a box outside": lambda payload: frame(with_fields(payload, crop_box=[0, 0, 257, 9])),
    "an empty box": lambda payload: frame(with_fields(payload, crop_box=[9, 0, 9, 9])),
    "no size": lambda payload: frame(with_fields(payload, source_size=[0, 0])),
    "one side": lambda payload: frame(with_fields(payload, source_size=[256])),
    "no such crop": lambda payload: frame(with_fields(payload, crop_index=2)),
    "an id that is not ASCII": lambda payload: frame(with_foreign_id(payload)),
    "no id": lambda payload: frame(with_fields(payload, painting_id="")),
    "noise": lambda payload: frame(b"noise"),
    "nothing": lambda payload: frame(b""),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_record_with_right_crcs_and_wrong_content_is_named_by_all_readers(tmp_path: Path, fault: str) -> None:
    folder = make_dataset(tmp_path, paintings=12, scheme="crop32x2", shards=2)

    sound: list[bytes] = []

    def change(payloads: list[bytes]) -> bytes:
        sound.extend(map(frame, payloads))
        return b"".join([*sound[:2], FAULTS[fault](payloads[2]), *sound[3:]])

    path = change_shard(folder, "train", 1, change)
    opened = Dataset.open(folder)
    offset = sum(map(len, sound[:2]))
    readers: dict[str, Callable[[], object]] = {
        "training": lambda: list(training_batches(Stream(opened, 4, 8, 0), 0)),
        "evaluation": lambda: list(evaluation_batches(opened, "train", 4)),
        "counting": lambda: count_classes(opened),
    }
    for name, read in readers.items():
        with pytest.raises(DamagedShardError) as caught:
            read()
        assert (caught.value.path, caught.value.offset) == (path, offset), name
    named = [sentence for sentence in verify(opened) if Path(path).name in sentence]
    assert f"at byte {offset}" in named[0]


@pytest.mark.parametrize("encoding", ["png", "jpeg"])
@pytest.mark.parametrize("fault", ["another format", "another size", "cut short"])
def test_a_picture_that_is_not_one_of_its_dataset_is_named(tmp_path: Path, encoding: Encoding, fault: str) -> None:
    folder = make_dataset(tmp_path, paintings=12, scheme="crop32x2", encoding=encoding, shards=2)
    large = make_dataset(tmp_path, paintings=12, scheme="crop64x2", encoding=encoding, shards=2)
    with (large / Dataset.open(large).contract.splits["test"][0].filename).open("rb") as stream:
        other = decode_example(next(read_frames(stream, ""))[1])["image"]

    def change(payloads: list[bytes]) -> bytes:
        picture = decode_example(payloads[0])["image"]
        instead = {"another format": b"GIF89a" + picture[6:], "another size": other, "cut short": picture[:-700]}
        return b"".join(map(frame, [with_fields(payloads[0], image=instead[fault]), *payloads[1:]]))

    path = change_shard(folder, "train", 0, change)
    opened = Dataset.open(folder)
    for batches in (training_batches(Stream(opened, 4, 8, 0), 0), evaluation_batches(opened, "train", 4)):
        with pytest.raises(DamagedShardError) as caught, damage_named(opened, "train"):
            list(batches)
        assert (caught.value.path, caught.value.offset) == (path, 0)


def test_a_shard_of_fewer_records_than_the_contract_says_is_named(tmp_path: Path) -> None:
    folder = make_dataset(tmp_path, paintings=12, scheme="crop32x2", shards=2)

    def change(payloads: list[bytes]) -> bytes:
        return b"".join(map(frame, [with_fields(payloads[0], painting_id="x" * 64), *payloads[2:]]))

    path = change_shard(folder, "train", 1, change)
    opened = Dataset.open(folder)
    records = opened.contract.splits["train"][1].records
    for read in (lambda: list(evaluation_batches(opened, "train", 4)), lambda: count_classes(opened)):
        with pytest.raises(DamagedShardError, match=f"holds {records - 1} records, {records} were written") as caught:
            read()
        assert caught.value.path == path
