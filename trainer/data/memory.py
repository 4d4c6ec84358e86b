"""Memory for batches, used again once nobody holds them: a page that is new to the process costs ten times a copy."""

from __future__ import annotations

import weakref

import numpy as np

# Bytes. Some processors copy from a file's pages three times slower to a few bytes past the start of a page, where
# NumPy's arrays begin, than to the start. TensorFlow wants 64.
PAGE = 4096


def from_page(size: int, spare: list[np.ndarray]) -> np.ndarray:
    """uint8[at least size] from the start of a page on: the last of `spare`, if it is large enough, else new."""
    if spare and len(memory := spare.pop()) >= size:
        return memory
    memory = np.empty(size + PAGE, np.uint8)
    return memory[-memory.ctypes.data % PAGE :]


class Lender:
    """Lends arrays; their memory comes back by itself when nobody holds the array, nor a view of it, any more."""

    def __init__(self) -> None:
        self._spare: list[np.ndarray] = []

    def lend(self, *shape: int) -> np.ndarray:
        """uint8[shape], not filled."""
        size = int(np.prod(shape))
        memory = from_page(size, self._spare)
        # The base of all views of it: numpy's views refer to the array they come from, at any remove, but see none
        # behind a buffer.
        lent = np.frombuffer(memory.data, np.uint8, size)
        weakref.finalize(lent, self._spare.append, memory).atexit = False
        return lent.reshape(shape)
