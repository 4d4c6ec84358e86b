"""Paintings -> sharded TFRecord datasets. Start reading at `pipeline.build`."""

from pipeline.terminal.command import expect_signals
from pipeline.terminal.console import expect_missing

expect_signals()
expect_missing("pipeline")
