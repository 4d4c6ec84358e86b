"""The epochs of a run, for TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf


def write_events(folder: Path, line: Mapping[str, Any]) -> None:
    """Adds an epoch to the events in a folder, by step.

    Written as tf.summary.scalar would: that function needs the tensorboard package, which TensorFlow does not bring.
    """
    metadata = tf.compat.v1.SummaryMetadata(data_class="DATA_CLASS_SCALAR")
    metadata.plugin_data.plugin_name = "scalars"
    writer = tf.summary.create_file_writer(str(folder))
    with writer.as_default():
        for name, value in line.items():
            if name not in ("epoch", "step"):
                tf.summary.write(name, tf.constant(value, tf.float32), step=line["step"], metadata=metadata)
    writer.close()
