"""TFRecord datasets -> a trained classifier and its report. Start reading at `trainer.main`."""

import os

# TensorFlow's notes about itself (oneDNN, a missing GPU) would drown ours. It reads this when it is imported, which is
# after this; TF_CPP_MIN_LOG_LEVEL=0 in the environment has them back.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
