"""The console scripts: `morelli-train` is `python -m trainer.main`, and so on."""

from __future__ import annotations

from pipeline.terminal.console import command

train = command("trainer.main")
evaluate = command("trainer.evaluate")
report = command("trainer.report")
predict = command("trainer.predict")
serve = command("trainer.serve")
export = command("trainer.export")
compare = command("trainer.compare")
table = command("trainer.table")
experiments = command("trainer.experiments")
