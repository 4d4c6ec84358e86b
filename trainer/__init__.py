"""TFRecord datasets -> a trained classifier and its report. Start reading at `trainer.main`."""

from pipeline.terminal.command import expect_signals
from trainer.quiet import hush_tensorflow

expect_signals()
hush_tensorflow()
