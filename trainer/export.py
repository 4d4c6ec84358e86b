"""python -m trainer.export --run_dir=RUN --format=onnx: a run's model, for where it is to be used.

    savedmodel   a folder, for TensorFlow Serving
    onnx         one file, for ONNX Runtime; needs the extra: pip install "morelli[export]"
    tflite       one file, for phones (LiteRT)
    keras        best.keras itself, with its labels beside it

All take uint8[batch, size, size, 3] RGB, the dataset's crops at the run's --input_size where that is less, and give
float32[batch, artists]. Every export is run on crops of the test split and held against the original before it gets its
name.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from absl import app, flags

from pipeline.errors import MorelliError
from pipeline.storage import files
from pipeline.terminal.command import command
from pipeline.terminal.streams import say
from trainer.run.folder import RunFolder

if TYPE_CHECKING:
    import keras
    import numpy as np

FLAGS = flags.FLAGS
FILES = {"savedmodel": "savedmodel", "onnx": "model.onnx", "tflite": "model.tflite", "keras": "model.keras"}
TOLERANCE = 1e-3  # largest difference of a score; float32 in another order of operations stays far below
_CROPS = 64

flags.DEFINE_string("run_dir", None, "Folder of a finished run.", required=True)
flags.DEFINE_enum("format", "savedmodel", FILES, "What to write.")
flags.DEFINE_string("output", None, "Folder to write into. Default: RUN/export.")
flags.DEFINE_string("dataset_dir", None, "Dataset to check the export on. Default: the one the run was trained on.")


class ExportError(MorelliError):
    """A model could not be exported, or the export gives other scores than the original."""


def export(run: RunFolder, kind: str, output: Path, dataset_dir: Path | None = None) -> tuple[Path, float]:
    """Exports best.keras, and labels.json beside it.

    Args:
      run: finished.
      kind: a key of FILES.
      output: folder; made where it is missing.
      dataset_dir: whose test crops to check it on; None for the run's own.

    Returns:
      What was written, and the largest difference of a score from the original's.

    Raises:
      ExportError: a package is missing, or the export disagrees with the original. Nothing is left then.
    """
    import numpy as np

    from pipeline.dataset.dataset import Dataset
    from trainer.data.evaluation import evaluation_batches
    from trainer.network.saved import load_network

    model = load_network(run.best)
    dataset = Dataset.open(dataset_dir or run.dataset_dir)
    crops = next(iter(evaluation_batches(dataset, "test", _CROPS, model.input_shape[1])))["image"]
    expected = np.asarray(model(crops, training=False))

    target = output / FILES[kind]
    write, load = _FORMATS[kind]
    with files.replacing(target) as written:
        try:
            write(model, written)
            found = load(written)(crops)
        except ImportError as error:
            raise ExportError(
                f'--format={kind} needs packages that are not installed: pip install "morelli[export]" ({error})'
            ) from error
        difference = float(np.abs(found - expected).max())
        if not difference <= TOLERANCE:  # NaN fails too
            raise ExportError(
                f"The {kind} export differs from {run.best.name} by up to {difference:.2g} in a score; at most "
                f"{TOLERANCE} is rounding. It was deleted. Usually the converter does not fit TensorFlow."
            )
    files.write(output / run.labels.name, [run.labels.read_bytes()])
    return target, difference


# --- Formats: how to write one, and how to load what was written as a function of crops ------------------------------

Scores = Callable[["np.ndarray"], "np.ndarray"]


def _write_savedmodel(model: keras.Model, path: Path) -> None:
    model.export(path, format="tf_saved_model", verbose=False)


def _load_savedmodel(path: Path) -> Scores:
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))
    return lambda crops: loaded.serve(crops).numpy()


def _write_onnx(model: keras.Model, path: Path) -> None:
    model.export(path, format="onnx", verbose=False)


def _load_onnx(path: Path) -> Scores:
    import onnxruntime

    session = onnxruntime.InferenceSession(path)
    return lambda crops: session.run(None, {session.get_inputs()[0].name: crops})[0]


def _write_tflite(model: keras.Model, path: Path) -> None:
    import tensorflow as tf

    path.write_bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())


def _load_tflite(path: Path) -> Scores:
    import tensorflow as tf

    def scores(crops: np.ndarray) -> np.ndarray:
        interpreter = tf.lite.Interpreter(str(path))
        into, out = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
        interpreter.resize_tensor_input(into, crops.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(into, crops)
        interpreter.invoke()
        scores: np.ndarray = interpreter.get_tensor(out)
        return scores

    return scores


def _write_keras(model: keras.Model, path: Path) -> None:
    model.save(path)


def _load_keras(path: Path) -> Scores:
    import keras

    ask: Callable[[np.ndarray], np.ndarray] = keras.models.load_model(path, compile=False).predict_on_batch
    return ask


_FORMATS: dict[str, tuple[Callable[[keras.Model, Path], None], Callable[[Path], Scores]]] = {
    "savedmodel": (_write_savedmodel, _load_savedmodel),
    "onnx": (_write_onnx, _load_onnx),
    "tflite": (_write_tflite, _load_tflite),
    "keras": (_write_keras, _load_keras),
}


def _command(argv: list[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"Expected flags only. Received {' '.join(argv[1:])}.")
    run = RunFolder(FLAGS.run_dir)
    path, difference = export(
        run,
        FLAGS.format,
        Path(FLAGS.output or run.path / "export"),
        Path(FLAGS.dataset_dir) if FLAGS.dataset_dir else None,
    )
    say(f"{path}: scores differ from the original's by at most {difference:.1g} on {_CROPS} crops of the test split.")


@command()
def main(argv: list[str] | None = None) -> None:
    """The command line."""
    app.run(_command, argv)


if __name__ == "__main__":
    sys.exit(main())
