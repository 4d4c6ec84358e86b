"""TFRecord datasets -> a trained classifier and its report. Start reading at `trainer.main`."""

from pipeline.terminal.command import expect_signals
from pipeline.terminal.console import expect_missing
from trainer.quiet import hush_tensorflow

expect_signals()
expect_missing("trainer")
hush_tensorflow()
