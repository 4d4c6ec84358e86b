"""Bytes -> safe pictures, and the crops of them. Nothing here imports TensorFlow or Beam."""
