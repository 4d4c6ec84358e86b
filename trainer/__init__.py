"""TFRecord datasets -> a trained classifier and its report. Start reading at `trainer.main`."""

from trainer.quiet import hush_tensorflow

hush_tensorflow()
