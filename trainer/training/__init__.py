"""The training of a run: loop, steps, devices, checkpoints."""
