"""Paintings -> sharded TFRecord datasets. Start reading at `pipeline.build`."""
