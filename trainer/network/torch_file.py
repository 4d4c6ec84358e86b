"""Tensors of a PyTorch file, read without PyTorch and without running anything that the file says.

The format is PyTorch's before 1.6 (`torch.save(..., _use_new_zipfile_serialization=False)`), which many published
weights still have: five pickles (a magic number, a version, the machine's byte order, the object, the keys of its
storages), then each storage as int64 length and little-endian values. A pickle is a program; of this one only the few
instructions are followed that name tensors, and everything else in it is refused.
"""

from __future__ import annotations

import pickle
import struct
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np

from pipeline.errors import InputError

_MAGIC: Final = 0x1950A86A20F9469CFC6C
_VERSION: Final = 1001
_KINDS: Final = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}
_MOST_BYTES: Final = 1 << 30  # of a file: backbones for small machines have some tens of MB


@dataclass(frozen=True, slots=True)
class _Storage:
    """A run of values that comes later in the file."""

    key: str
    kind: np.dtype[Any]
    length: int


@dataclass(frozen=True, slots=True)
class _Tensor:
    """A view of a storage, as `torch._utils._rebuild_tensor_v2` is told of it."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def _make_tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> _Tensor:
    numbers = (offset, *shape, *strides)
    if not isinstance(storage, _Storage) or not all(isinstance(each, int) and each >= 0 for each in numbers):
        raise pickle.UnpicklingError("a tensor that is none")
    return _Tensor(storage, offset, tuple(shape), tuple(strides))


class _TensorsOnly(pickle.Unpickler):
    """Knows ordered dictionaries, tensors and the two kinds of storages; nothing of the machine can be named."""

    _KNOWN: Final[dict[tuple[str, str], Any]] = {
        ("collections", "OrderedDict"): OrderedDict,
        ("torch._utils", "_rebuild_tensor_v2"): _make_tensor,
        **{("torch", name): kind for name, kind in _KINDS.items()},
    }

    def find_class(self, module: str, name: str) -> Any:
        """What a name in the file stands for. Raises UnpicklingError for any but those of tensors."""
        try:
            return self._KNOWN[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which is no tensor") from None

    def persistent_load(self, identity: Any) -> _Storage:
        """A storage that the file refers to."""
        word, kind, key, _, length, *_ = identity
        if word != "storage" or not isinstance(kind, np.dtype) or not isinstance(key, str) or not 0 <= length < 1 << 40:
            raise pickle.UnpicklingError(f"an unknown reference {identity!r}")
        return _Storage(key, kind, length)


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """All tensors of a file that holds a dictionary of them.

    Returns:
      Name -> float32 or int64 array, in the order and with the shapes of the file.

    Raises:
      InputError: the file is cut short, holds anything but named tensors, or is not of this format.
      OSError: it cannot be read.
    """
    if path.stat().st_size > _MOST_BYTES:
        raise InputError(f"{path} is larger than any file of weights that is read here ({_MOST_BYTES >> 20} MiB).")
    try:
        with path.open("rb") as stream:
            if (_plain(stream), _plain(stream)) != (_MAGIC, _VERSION):
                raise pickle.UnpicklingError("its first numbers are those of another format")
            if not _plain(stream)["little_endian"]:
                raise pickle.UnpicklingError("it was written on a machine of another byte order")
            named = _TensorsOnly(stream).load()
            keys = _plain(stream)
            storages = {key: _read_storage(stream, key, _kinds(named)) for key in keys}
            return {name: _view(tensor, storages[tensor.storage.key]) for name, tensor in named.items()}
    except (pickle.UnpicklingError, EOFError, ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
        raise InputError(
            f"{path} is not a whole PyTorch file of tensors alone: {error}. Install its package again."
        ) from error


def _plain(stream: BinaryIO) -> Any:
    """A pickle of numbers, strings, lists and dictionaries."""
    return _TensorsOnly(stream).load()


def _kinds(named: Any) -> dict[str, np.dtype[Any]]:
    if not isinstance(named, dict) or not all(isinstance(tensor, _Tensor) for tensor in named.values()):
        raise pickle.UnpicklingError("it holds something else than named tensors")
    return {tensor.storage.key: tensor.storage.kind for tensor in named.values()}


def _read_storage(stream: BinaryIO, key: str, kinds: dict[str, np.dtype[Any]]) -> np.ndarray:
    (length,) = struct.unpack("<q", stream.read(8))
    if not 0 <= length * kinds[key].itemsize <= _MOST_BYTES:
        raise ValueError(f"a storage of {length} values")
    data = stream.read(length * kinds[key].itemsize)
    return np.frombuffer(data, kinds[key], length)  # ValueError where the file ends too early


def _view(tensor: _Tensor, storage: np.ndarray) -> np.ndarray:
    last = tensor.offset + sum((side - 1) * stride for side, stride in zip(tensor.shape, tensor.strides, strict=True))
    if last >= len(storage) and 0 not in tensor.shape:
        raise ValueError("a tensor reaches beyond its storage")
    size = storage.itemsize
    return np.lib.stride_tricks.as_strided(
        storage[tensor.offset :], tensor.shape, [stride * size for stride in tensor.strides], writeable=False
    ).copy()
