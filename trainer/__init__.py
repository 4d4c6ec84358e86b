"""Datasets -> a trained classifier and its report. Start reading at `trainer.main`."""
