"""Which training paintings does the model find most like this one?

The mean embedding of a painting's crops, of length 1, is kept for every training painting in `references.parquet`
(painting_id, label, path, embedding float16). Cosine similarity is then one matrix product.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from trainer.errors import RunError
from trainer.judging.predictions import whole_parquet
from trainer.run.folder import RunFolder

_ROWS = 1024  # of a row group: 2 MB of 1,024 features


@dataclass(frozen=True, slots=True)
class Reference:
    """A training painting found near another. `similarity` is a cosine, -1..1."""

    painting_id: str
    label: int
    path: str
    similarity: float


def normalised(embedding: np.ndarray) -> np.ndarray:
    """The same direction, float32[features], with length 1 (or 0 where it was 0)."""
    length = np.linalg.norm(embedding)
    return np.asarray(embedding / length if length else embedding, np.float32)


def _schema(features: int) -> pa.Schema:
    return pa.schema(
        [
            ("painting_id", pa.string()),
            ("label", pa.int64()),
            ("path", pa.string()),
            ("embedding", pa.list_(pa.float16(), features)),
        ]
    )


class ReferenceWriter:
    """Writes `references.parquet` painting by painting. A context manager."""

    def __init__(self, run: RunFolder, features: int, paths: dict[str, str]) -> None:
        """`paths` names each training painting's file by its id; "" is written for those it does not know."""
        self._schema = _schema(features)
        self._file = whole_parquet(run.references, self._schema)
        self._paths = paths
        self._waiting: list[tuple[str, int, np.ndarray]] = []

    def __enter__(self) -> ReferenceWriter:
        self._writer = self._file.__enter__()
        return self

    def __exit__(self, kind: type | None, *error: object) -> None:
        if kind is None:
            self._flush()
        self._file.__exit__(kind, *error)  # type: ignore[arg-type]

    def add(self, painting_id: str, label: int, embedding: np.ndarray) -> None:
        """Keeps a painting's mean embedding, float32[features] of any length."""
        self._waiting.append((painting_id, label, normalised(embedding).astype(np.float16)))
        if len(self._waiting) == _ROWS:
            self._flush()

    def _flush(self) -> None:
        if not self._waiting:
            return
        ids, labels, embeddings = zip(*self._waiting, strict=True)
        flat = pa.array(np.concatenate(embeddings), pa.float16())
        columns = [
            pa.array(ids),
            pa.array(labels),
            pa.array([self._paths.get(painting_id, "") for painting_id in ids]),
            pa.FixedSizeListArray.from_arrays(flat, len(embeddings[0])),
        ]
        self._writer.write_table(pa.Table.from_arrays(columns, schema=self._schema))
        self._waiting = []


class References:
    """The training paintings of a run, ready to be compared with.

    Raises:
      RunError: the run has not been evaluated, or its table is damaged or another one.
    """

    def __init__(self, run: RunFolder) -> None:
        table = _read_table(run)
        column = table["embedding"].combine_chunks()
        self._ids, self._labels, self._paths = table["painting_id"], table["label"], table["path"]
        self._known = frozenset(self._ids.to_pylist())
        self._embeddings = column.flatten().to_numpy().reshape(len(table), -1)

    def __contains__(self, painting_id: str) -> bool:
        """Whether the run was trained on the painting of that id."""
        return painting_id in self._known

    def nearest(self, embedding: np.ndarray, count: int = 5) -> list[Reference]:
        """The training paintings most like one of mean embedding float32[features], most similar first."""
        similarity = self._embeddings @ normalised(embedding)
        return [
            Reference(
                self._ids[index].as_py(),
                self._labels[index].as_py(),
                self._paths[index].as_py(),
                float(similarity[index]),
            )
            for index in map(int, np.argsort(-similarity, kind="stable")[:count])
        ]


def _read_table(run: RunFolder) -> pa.Table:
    """The whole of `references.parquet`, checked. Raises RunError."""
    try:
        table = pq.read_table(run.require(run.references), partitioning=None).combine_chunks()
        kind = table.schema.field("embedding").type if "embedding" in table.schema.names else pa.null()
        if not pa.types.is_fixed_size_list(kind) or not table.schema.equals(_schema(kind.list_size)):
            raise ValueError("it has other columns")
        if any(column.null_count for column in table.columns) or not len(table):
            raise ValueError("a cell is empty" if len(table) else "it has no rows")
        labels = table["label"].to_numpy()
        if labels.min() < 0 or labels.max() >= len(run.expertise.labels):
            raise ValueError("it names an artist that the run does not know")
        if not np.isfinite(table["embedding"].combine_chunks().flatten().to_numpy()).all():
            raise ValueError("an embedding is not finite")
    except (OSError, ValueError, pa.ArrowException) as error:
        raise RunError(
            f"{run.references} is damaged ({error}). Make it with: python -m trainer.evaluate --run_dir={run}"
        ) from error
    return table
