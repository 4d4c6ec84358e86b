"""What can be known to be wrong with a build on Dataflow before anything is staged, started or billed."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence

from pipeline.errors import InputError
from pipeline.storage.files import is_remote
from pipeline.workers import package
from pipeline.workers.engines import DATAFLOW, runner_name


def _parse(beam_flags: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for name in ("project", "region", "temp_location", "template_location", "setup_file"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--job_name", default="morelli")
    parser.add_argument("--extra_package", "--extra_packages", action="append")
    parser.add_argument("--sdk_container_image", "--worker_harness_container_image")
    return parser.parse_known_args(list(beam_flags))[0]


def given_name(beam_flags: Sequence[str]) -> str:
    """What the names of jobs begin with."""
    return str(_parse(beam_flags).job_name)


def check_dataflow(beam_flags: Sequence[str], places: Mapping[str, str | None]) -> None:
    """Looks at the flags of a build whose runner is Dataflow's.

    Args:
      beam_flags: for Beam.
      places: flag of this project -> the folder or file that it names; None where it is not given.

    Raises:
      InputError: all that is missing or cannot work, in one sentence each.
    """
    if runner_name(beam_flags) != DATAFLOW:
        return
    given = _parse(beam_flags)
    wrong = []
    if given.template_location:
        wrong.append("--template_location: a build is two jobs, and the second depends on the first; it is no template")
    for flag, place in places.items():
        if place is None and flag == "--data_dir":
            wrong.append("--data_dir is missing: the embedded gallery is painted on this machine")
        elif place is not None and not is_remote(place):
            wrong.append(f"{flag}={place} is on this machine, where no worker sees it: pass gs://BUCKET/...")
    if not given.temp_location or not given.temp_location.startswith("gs://"):
        wrong.append("--temp_location=gs://BUCKET/tmp is missing")
    wrong += [f"--{name} is missing" for name in ("project", "region") if not getattr(given, name)]
    if not (given.setup_file or given.extra_package or given.sdk_container_image or package.can_be_built()):
        wrong.append("--setup_file=./setup.py (or --extra_package with a wheel of this project) is missing: workers")
        wrong[-1] += " could not import it"
    if wrong:
        raise InputError(f"DataflowRunner: {'; '.join(wrong)}. Nothing was started.")
