"""The contract: names, wire format, framing, and parsing back."""

import contextlib
import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.dataset.contract import Artist, Contract, Shard
from pipeline.dataset.dataset import Dataset
from pipeline.dataset.example import decode_example, encode_example
from pipeline.dataset.frames import frame, read_frames
from pipeline.dataset.schemes import Crops, parse_scheme
from pipeline.errors import DamagedShardError, DatasetError
from trainer.data.parse import parse_batch

EXAMPLES = st.fixed_dictionaries(
    {
        "image": st.binary(max_size=400),
        "label": st.integers(0, 2**40),
        "painting_id": st.text(st.characters(codec="ascii"), max_size=20),
        "crop_index": st.integers(0, 2000),
        "crop_box": st.lists(st.floats(0, 1e6, width=32), min_size=4, max_size=4),
        "source_size": st.lists(st.integers(1, 100_000), min_size=2, max_size=2),
    }
)


def contract(**changes: object) -> Contract:
    shard = Shard("crop64x16-train.tfrecord-00000-of-00001", 32, 2, 400_000, "ab" * 32)
    fields = {
        "scheme": Crops(64, 16),
        "encoding": "raw",
        "artists": (Artist("Albrecht Dürer", "1471 - 1528", "Northern Renaissance", "German"), Artist("B")),
        "splits": {"train": (shard,), "validation": (), "test": ()},
        "fingerprint": "f00d" * 16,
        "seed": 7,
        "build": {"dedup": "near"},
    }
    return Contract(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["crop64x16", "crop128x4", "crop256x1", "reshape256"])
def test_a_scheme_is_its_name(name):
    assert parse_scheme(name).name == name


@pytest.mark.parametrize("name", ["crop64", "crop7x1", "reshape256x2", "crop64x0", "tile64x16", ""])
def test_other_names_are_no_schemes(name):
    with pytest.raises(ValueError, match=r"Expected .* Received"):
        parse_scheme(name)


@given(EXAMPLES)
def test_decoding_undoes_encoding(example):
    decoded = decode_example(encode_example(**example))
    assert decoded["image"] == example["image"]
    assert decoded["painting_id"].decode() == example["painting_id"]
    assert decoded["label"] == [example["label"]]
    assert decoded["crop_index"] == [example["crop_index"]]
    assert decoded["crop_box"] == example["crop_box"]
    assert decoded["source_size"] == example["source_size"]


@given(EXAMPLES)
def test_bytes_are_those_of_tensorflow(example):
    import tensorflow as tf

    encoded = encode_example(**example)
    assert tf.train.Example.FromString(encoded).SerializeToString(deterministic=True) == encoded


@given(st.binary(max_size=200))
def test_noise_is_refused_with_one_error_type(noise):
    with contextlib.suppress(ValueError):
        decode_example(noise)


@given(st.lists(st.binary(max_size=300), max_size=8))
def test_tensorflow_reads_our_frames(tmp_path_factory, payloads):
    import tensorflow as tf

    path = tmp_path_factory.mktemp("frames") / "shard"
    path.write_bytes(b"".join(map(frame, payloads)))
    assert [record.numpy() for record in tf.data.TFRecordDataset(str(path))] == payloads
    with path.open("rb") as stream:
        assert [payload for _, payload in read_frames(stream, "shard")] == payloads


@given(st.integers(0, 79), st.integers(1, 255))
def test_any_changed_byte_is_found_with_its_record(position, change):
    whole = frame(b"x" * 24) + frame(b"y" * 24)
    damaged = bytearray(whole)
    damaged[position] ^= change
    with pytest.raises(DamagedShardError) as caught:
        list(read_frames(io.BytesIO(bytes(damaged)), "shard"))
    assert caught.value.offset == position // 40 * 40


@given(st.integers(1, 79).filter(lambda length: length != 40))
def test_a_cut_file_is_found(length):
    whole = frame(b"x" * 24) + frame(b"y" * 24)
    with pytest.raises(DamagedShardError, match="ends within"):
        list(read_frames(io.BytesIO(whole[:length]), "shard"))


@pytest.mark.parametrize("encoding", ["raw", "png"])
def test_parsing_a_batch_gives_what_was_encoded(encoding):
    from pipeline.pictures.crops import encode

    pixels = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), np.uint8)
    serialized = [
        encode_example(encode(image, encoding), i, f"p{i}", i, (0, 0.5, 8, 8.5), (9, 10))
        for i, image in enumerate(pixels)
    ]
    parsed = parse_batch(serialized, contract(scheme=Crops(8, 1), encoding=encoding))
    np.testing.assert_array_equal(parsed["image"], pixels)
    assert parsed["image"].dtype == np.uint8
    assert parsed["label"].tolist() == [0, 1, 2]
    assert parsed["painting_id"].tolist() == [b"p0", b"p1", b"p2"]
    assert parsed["crop_box"].tolist() == [[0, 0.5, 8, 8.5]] * 3
    assert parsed["source_size"].tolist() == [[9, 10]] * 3


def test_a_contract_survives_its_file():
    assert Contract.from_json(contract().to_json()) == contract()
    assert contract().records("train") == 32


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"format": 2', '"format": 99', "format 99"),
        ('"value_range": [\n  0,\n  255\n ]', '"value_range": [0, 1]', "0..255"),
        ('"scheme": "crop64x16"', '"scheme": "tiles"', "not a dataset description"),
        ("{", "", "not a dataset description"),
        ('"seed": 7', '"seed": "7"', "seed: expected a whole number"),
        ('"seed": 7', '"seed": 18446744073709551616', "more than 64 bits"),
        ('"seed": 7', '"seed": NaN', "NaN is no number"),
        ('"fingerprint": "f00d', '"fingerprint": "../d', "no SHA-256"),
        ('"artists": [', '"artists": [7, ', "artists: expected an object"),
        ('"name": "B"', '"name": "Albrecht Dürer"', "names 'Albrecht Dürer' twice"),
        ('"name": "B"', '"name": ""', "an artist has no name"),
        ('"test": []', '"dev": []', "expected the splits"),
        (',\n  "test": []', "", "expected the splits"),
        ('"crop64x16-train.tf', '"../crop64x16-train.tf', "expected the shard crop64x16-train.tfrecord-00000-of-00001"),
        ('"filename": "crop64x16-train.tfrecord-00000-of-00001"', '"filename": "/etc/passwd"', "found '/etc/passwd'"),
        ('"records": 32', '"records": 1000000000000000', "cannot hold 1000000000000000 records"),
        ('"records": 32', '"records": -1', "cannot hold -1 records"),
        ('"records": 32', '"records": true', "records: expected a whole number"),
        ('"records": 32', '"records": 32.0', "records: expected a whole number"),
        ('"paintings": 2', '"paintings": 33', "of 33 paintings"),
        ('"build": {', '"build": {"deep": ' + "[" * 100_000, "nested too deeply"),
        ('"encoding": "raw"', '"encoding": "bmp"', "encoding: expected 'raw' or 'png' or 'jpeg'"),
        ('"encoding": "raw"', '"encoding": ["raw"]', "encoding: expected"),
    ],
)
def test_a_contract_of_something_else_is_refused(old, new, message):
    text = contract().to_json()
    assert old in text
    with pytest.raises(DatasetError, match=message):
        Contract.from_json(text.replace(old, new, 1))


def test_a_contract_of_the_format_before_is_read_and_stays_of_it():
    text = contract().to_json().replace('"format": 2', '"format": 1')
    assert Contract.from_json(text).format == 1
    assert Contract.from_json(text).to_json() == text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@given(st.data(), JSON)
def test_with_any_value_in_any_place_a_contract_is_read_or_refused_with_one_error_type(data, value):
    content = json.loads(contract().to_json())
    at = content
    while isinstance(at, dict | list) and at:
        key = data.draw(st.sampled_from(list(at) if isinstance(at, dict) else range(len(at))))
        if not isinstance(at[key], dict | list) or not at[key] or data.draw(st.booleans()):
            at[key] = value
            break
        at = at[key]
    try:
        found = Contract.from_json(json.dumps(content))
    except DatasetError:
        return
    assert json.loads(found.to_json()) == content


def test_a_folder_without_a_dataset_says_how_to_build_one(tmp_path):
    with pytest.raises(DatasetError, match=r"python -m pipeline\.build"):
        Dataset.open(tmp_path)
