"""Backbones, the model around them, and its weights."""
