"""Paintings -> sharded TFRecord datasets. Start reading at `pipeline.build`."""

from pipeline.terminal.command import expect_signals

expect_signals()
