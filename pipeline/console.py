"""The console scripts: `morelli-build` is `python -m pipeline.build`, and so on."""

from __future__ import annotations

from pipeline.terminal.console import command

build = command("pipeline.build")
verify = command("pipeline.verify")
sample = command("pipeline.sample")
download = command("pipeline.download")
atelier = command("pipeline.atelier")
