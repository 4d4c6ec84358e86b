"""python -m pipeline.build: a folder of paintings -> TFRecord datasets, out of core.

Find (which files, and whose), survey (each looked at once, through Beam), plan (copies grouped, paintings split, shards
laid out), write (shards, through Beam), seal (the dataset describes itself). See `--help`, and pipeline.flags for what
the flags mean.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import flags
from pipeline.dataset.contract import VERSION, Contract
from pipeline.errors import IncompleteError, InputError
from pipeline.flags import Settings
from pipeline.pictures.limits import DEFAULT_MAX_PIXELS
from pipeline.storage import files
from pipeline.storage.lock import exclusive
from pipeline.terminal.command import RESUMES, command
from pipeline.terminal.progress import Progress
from pipeline.terminal.streams import say
from pipeline.workers.dataflow_run import Detached
from pipeline.workers.engines import is_local, runner_name
from pipeline.workers.memory import PeakMemory
from pipeline.workers.processes import Apart, apart, preload
from pipeline.workers.runner import Runner
from pipeline.workers.step import Step

if TYPE_CHECKING:
    from pipeline.phases import Found, Planned

MAX_LOOKS = 3  # at files that change while the build runs; those that still do are rejects then


@command(RESUMES)
def main(argv: list[str] | None = None) -> None:
    """The command."""
    try:
        build(flags.parse(argv, os.cpu_count() or 1, DEFAULT_MAX_PIXELS))
    except Detached as left:
        say(left)


def build(settings: Settings) -> list[Contract]:
    """Builds the datasets that `settings` ask for; [] for a dry run.

    Raises:
      MorelliError: a sentence that says what is wrong and what to do.
      Detached: a job runs on, as was asked for.
    """
    started = time.monotonic()
    preload("pipeline.phases")
    from pipeline import (
        card,
        claim,
        phases,
        seal,
        summary,  # a third of a second, in the meantime
    )

    with exclusive(settings.output_dir), PeakMemory() as memory, tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        data_dir = _data_dir(settings)
        # It imports Beam while files are found.
        with Runner(settings.workers, settings.beam, scratch, settings.limits, settings.detach) as runner:
            for _ in range(MAX_LOOKS):
                found = apart(phases.lay_out_survey, settings, data_dir, scratch)
                for note in found.notes:
                    say(f"note: {note}")
                heard = _perform("survey", phases.SURVEY, found, runner, found.files, found.known)
                with _explained(heard, settings):
                    planned = apart(phases.make_plan, settings, scratch, found.files)
                if settings.dry_run:
                    say(planned.dry_run)
                    return []
                if planned.finished:
                    say(f"note: {planned.finished:,} of {planned.shards:,} shards are written already")
                writing = time.monotonic()
                try:
                    heard = _perform("write", phases.WRITE, planned, runner, planned.paintings)
                finally:  # a picture may have ended a worker while it wrote
                    claim.tidy([files.join(settings.output_dir, scheme.name, VERSION) for scheme in settings.schemes])
                rate = planned.paintings / (time.monotonic() - writing)
                changed = apart(phases.forget_changed, settings, scratch) if planned.jobs else 0
                if not changed:
                    break
                say(f"note: files that have changed since they were looked at: {changed:,}; the build starts again")
        with _explained(heard, settings):
            contracts, built = apart(phases.describe, settings, scratch)
        files.remove_tree(phases.jobs_folder(settings))
        folders = [files.join(settings.output_dir, contract.scheme.name, VERSION) for contract in contracts]
        with Apart() as librarian:
            catalogued = librarian.start(seal.write_metadata, folders, contracts)  # imports TFDS for half a second
            for folder, contract in zip(folders, contracts, strict=True):
                apart(card.write_card, folder, contract)
            catalogued()
        for folder, contract in zip(folders, contracts, strict=True):
            apart(seal.seal, folder, contract)
    say(built)
    say(summary.ending(settings, contracts, rate, memory.mib, time.monotonic() - started))
    return contracts


def _perform(what: str, step: Step, todo: Found | Planned, runner: Runner, paintings: int, done: int = 0) -> str:
    """Runs a step on its jobs, and shows how far it is; `done` of all `paintings` need no job.

    Returns:
      What the runner says went wrong; "" if nothing.
    """
    with Progress(what, paintings) as progress:
        progress.add(done)
        return runner.run(step, todo.jobs, lambda result: progress.add(result["paintings"]), todo.results)


@contextmanager
def _explained(heard: str, settings: Settings) -> Iterator[None]:
    """Lets what is there decide: where a result is missing, what the runner said tells why; else it is a note."""
    try:
        yield
    except IncompleteError as error:
        if not heard and not is_local(settings.beam):
            heard = f"{runner_name(settings.beam)} says that all is done. Do its workers see the folders that we see?"
        raise IncompleteError(f"{heard} {error}".lstrip()) from error
    if heard:
        say(f"note: {heard} All results are there all the same.")


def _data_dir(settings: Settings) -> str:
    """The folder given, or the manifest's, or the embedded gallery's."""
    if settings.data_dir:
        return settings.data_dir
    if settings.manifest:
        return os.path.dirname(settings.manifest) or "."  # it may be an address
    return _embedded_gallery(settings)


def _embedded_gallery(settings: Settings) -> str:
    from pipeline.atelier.gallery import DEFAULT, write_gallery

    if files.is_remote(settings.output_dir):
        raise InputError(
            "The embedded gallery is painted on this machine. Pass --data_dir for a build to "
            f"{settings.output_dir}, or a local --output_dir."
        )
    folder = Path(settings.output_dir) / "gallery"
    with Progress("paint the embedded gallery", DEFAULT) as progress:
        write_gallery(folder, workers=settings.workers, on_progress=lambda painted, _: progress.reach(painted))
    return str(folder)


if __name__ == "__main__":
    sys.exit(main())
