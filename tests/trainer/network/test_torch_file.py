"""PyTorch files are read for their tensors; nothing that they say is run."""

from __future__ import annotations

import io
import pickle
import struct
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import InputError
from trainer.network.torch_file import read_tensors

MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001
SYSTEM = {"protocol_version": VERSION, "little_endian": True, "type_sizes": {"int": 4}}


class Tensor:
    """Pickles as PyTorch's tensors do."""

    def __init__(self, key: str, values: np.ndarray, strides: tuple[int, ...] | None = None) -> None:
        self.key, self.values = key, values
        self.strides = strides or tuple(step // values.itemsize for step in values.strides)


def torch_pickle(tensors: dict[str, Tensor]) -> bytes:
    """The pickle of an ordered dictionary of tensors, instruction by instruction (protocol 2)."""

    def text(value: str) -> bytes:
        return b"X" + struct.pack("<I", len(value.encode())) + value.encode()

    def number(value: int) -> bytes:
        return b"J" + struct.pack("<i", value)

    def numbers(values: tuple[int, ...]) -> bytes:
        return b"(" + b"".join(map(number, values)) + b"t"

    out = b"\x80\x02ccollections\nOrderedDict\n)R("
    for name, tensor in tensors.items():
        storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text(tensor.key) + text("cpu")
        storage += number(tensor.values.size) + b"NtQ"
        out += text(name) + b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + number(0)
        out += numbers(tensor.values.shape) + numbers(tensor.strides) + b"\x89ccollections\nOrderedDict\n)RtR"
    return out + b"u."


def torch_file(tensors: dict[str, Tensor], body: bytes | None = None) -> bytes:
    out = b"".join(pickle.dumps(part, 2) for part in (MAGIC, VERSION, SYSTEM))
    out += torch_pickle(tensors) if body is None else body
    out += pickle.dumps([tensor.key for tensor in tensors.values()], 2)
    for tensor in tensors.values():
        out += struct.pack("<q", tensor.values.size) + tensor.values.astype("<f4").tobytes()
    return out


def some_tensors() -> dict[str, Tensor]:
    values = np.random.default_rng(0).normal(size=(4, 3, 2)).astype(np.float32)
    return {"a.weight": Tensor("1", values), "b.bias": Tensor("2", values[0, 0].copy())}


def write(folder: Path, data: bytes) -> Path:
    path = folder / "weights.pth"
    path.write_bytes(data)
    return path


def test_tensors_come_out_by_name_with_their_shapes(tmp_path: Path) -> None:
    tensors = some_tensors()
    found = read_tensors(write(tmp_path, torch_file(tensors)))
    assert list(found) == list(tensors)
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(found[name], tensor.values)


def test_a_transposed_tensor_is_read_by_its_strides(tmp_path: Path) -> None:
    values = np.arange(6, dtype=np.float32)
    turned = Tensor("1", values.reshape(3, 2), strides=(1, 3))
    found = read_tensors(write(tmp_path, torch_file({"t": turned})))
    np.testing.assert_array_equal(found["t"], values.reshape(2, 3).T)


@given(st.integers(0, len(torch_file(some_tensors())) - 1))
def test_a_file_that_is_cut_short_is_refused(tmp_path_factory: pytest.TempPathFactory, length: int) -> None:
    path = write(tmp_path_factory.mktemp("cut"), torch_file(some_tensors())[:length])
    with pytest.raises(InputError, match="not a whole PyTorch file of tensors alone"):
        read_tensors(path)


@pytest.mark.parametrize(
    "body",
    [
        b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R.",  # runs a command where it is unpickled
        b"\x80\x02cbuiltins\neval\nX\x03\x00\x00\x001+1\x85R.",
        b"\x80\x02cposix\nsystem\n.",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.",
        pickle.dumps({"a": 1}, 2),
        pickle.dumps([1, 2, 3], 2),
        pickle.dumps(OrderedDict(a="text"), 2),
    ],
)
def test_whatever_is_no_tensor_is_refused_and_not_run(tmp_path: Path, body: bytes) -> None:
    with pytest.raises(InputError, match="tensors alone"):
        read_tensors(write(tmp_path, torch_file({}, body)))


def test_a_tensor_beyond_its_storage_is_refused(tmp_path: Path) -> None:
    beyond = Tensor("1", np.zeros((2, 2), np.float32), strides=(1000, 1))
    with pytest.raises(InputError, match="beyond its storage"):
        read_tensors(write(tmp_path, torch_file({"t": beyond})))


def test_other_files_are_refused(tmp_path: Path) -> None:
    stream = io.BytesIO()
    np.savez(stream, a=np.zeros(3))
    for data in (b"", b"no weights at all", stream.getvalue(), pickle.dumps(MAGIC, 2) + pickle.dumps(1, 2)):
        with pytest.raises(InputError, match="tensors alone"):
            read_tensors(write(tmp_path, data))
