"""What a build decides, phase by phase, each in a process of its own (see `processes.apart`).

Finding, planning and describing look at all paintings at once, and each takes with it what it held. While workers are
up, no process knows more than the names of their jobs: memory does not grow with the number of paintings. Phases hand
over through a scratch folder.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from pipeline import flags, handover, plan, seal, shards, summary, survey
from pipeline.claim import claim_folders
from pipeline.dataset.contract import CONTRACT_FILE, VERSION, Contract, Encoding
from pipeline.dataset.rejects import CHANGED, LEAK, REJECTS_FILE, Reject, by_reason, rejects_table
from pipeline.dataset.schemes import Scheme
from pipeline.errors import InputError
from pipeline.flags import Settings
from pipeline.gallery.find import Gallery, find_gallery
from pipeline.pictures import likeness
from pipeline.plan import Plan
from pipeline.shards import Target
from pipeline.storage import files
from pipeline.workers.step import Step

RAW_UP_TO = 256  # pixels a side; measured, see docs/BENCHMARKS.md
PNG_SHARE = 0.75  # of raw, for a guess at shard sizes before there is a record
JPEG_SHARE = 0.25
SURVEY = Step(survey.survey_batch)
WRITE = Step(shards.write_lot, shards.finish_lot)


@dataclass(frozen=True, slots=True)
class Found:
    """What there is to survey: sentences for the user, job files, files in all, files that need no job."""

    notes: tuple[str, ...]
    jobs: tuple[str, ...]
    files: int
    known: int


@dataclass(frozen=True, slots=True)
class Planned:
    """What there is to write: job files and the paintings in them, shards in all, and shards that are written already.

    For a dry run, only `dry_run`: what would be written.
    """

    jobs: tuple[str, ...] = ()
    paintings: int = 0
    shards: int = 0
    finished: int = 0
    dry_run: str = ""


def lay_out_survey(settings: Settings, data_dir: str, scratch: Path) -> Found:
    """Lists the gallery, and lays out the survey of those of its files that no earlier one has seen.

    Raises:
      InputError: there is nothing to build from.
    """
    found = find_gallery(data_dir, settings.manifest, settings.layout)
    if settings.keep_splits:
        _check_given(found)
    handover.write_gallery(scratch, found)
    todo = survey.prepare(found.candidates, _survey_folder(settings, found), settings.max_pixels)
    return Found((*found.notes, *todo.notes), todo.jobs, len(found.candidates), todo.known)


def make_plan(settings: Settings, scratch: Path) -> Planned:
    """Plans the datasets from the rows of the survey, takes their folders, and lays out the shards that are missing.

    Raises:
      InputError: too many files cannot be read, or nothing is left to build from.
      DatasetError: a folder holds another build.
    """
    found = handover.read_gallery(scratch)
    rows, rejects = _collect(settings, found)
    given = settings.keep_splits or found.gives_splits
    paintings = plan.make_plan(
        rows,
        {artist.name: artist for artist in found.artists},
        None if given else settings.ratios,
        settings.seed,
        settings.dedup,
        likeness.NEAR_COPY_BITS,
    )
    rejects = [*found.rejects, *rejects, *paintings.rejects]
    if not paintings.artists:
        raise InputError(
            f"No painting is left to build from: {by_reason(rejects)}. {_list(settings, found, rejects)} lists "
            "them. A folder per artist is expected, each painting in one of them."
        )
    _check_rejects(settings, found, rejects, len(rows) - len(paintings.rejects))
    targets = [make_target(scheme, paintings, settings) for scheme in settings.schemes]
    if settings.dry_run:
        return Planned(dry_run=summary.dry_run(found.layout, paintings, targets, rejects, settings))
    abouts = [_about(settings, found, target, paintings, rejects) for target in targets]
    claim_folders(targets, abouts, settings.overwrite)
    handover.write_plan(scratch, paintings, targets, abouts, rejects)
    job_paths, count, missing = [], 0, 0
    for name, job in shards.make_lots(paintings, targets, settings.max_pixels):
        job_paths.append(files.join(jobs_folder(settings), name))
        files.write(job_paths[-1], [job.to_json()])
        count += len(job.works)
        missing += sum(len(wanted.shards) for wanted in job.targets)
    total = sum(sum(target.shards.values()) for target in targets)
    return Planned(tuple(job_paths), count, total, total - missing)


def forget_changed(settings: Settings, scratch: Path) -> int:
    """Lets files be surveyed again that have changed since, and datasets be planned again that lack them.

    Returns:
      How many files there are. 0 where there is a dataset that is described already: it stays as it is.
    """
    decided = handover.read_plan(scratch)
    changed = {
        reject.path for target in decided.targets for reject in shards.losses(target) if reject.reason == CHANGED
    }
    folders = [target.folder for target in decided.targets]
    if not changed or any(CONTRACT_FILE in files.sizes(folder) for folder in folders):
        return 0
    survey.forget(changed, _survey_folder(settings, handover.read_gallery(scratch)))
    for folder in folders:
        files.remove_tree(folder)
    return len(changed)


def describe(settings: Settings, scratch: Path) -> tuple[list[Contract], str]:
    """Writes the tables of the datasets; returns what they hold, for programs and for people.

    Raises:
      InputError: too many paintings that were sound when surveyed could not be read any more.
    """
    decided = handover.read_plan(scratch)
    _check_losses(settings, decided.plan, decided.targets, len(decided.rejects) - len(decided.plan.rejects))
    contracts = [
        seal.describe(target, decided.plan, decided.rejects, about)
        for target, about in zip(decided.targets, decided.abouts, strict=True)
    ]
    return contracts, summary.built(decided.plan, decided.targets, contracts, decided.rejects)


def _check_losses(settings: Settings, paintings: Plan, targets: Sequence[Target], unreadable: int) -> None:
    """Raises InputError where the paintings that failed while shards were written are too many to do without.

    A disk that went away is no reason to seal what was written without it: those shards are to be written again.
    """
    works = [work for some in paintings.works.values() for work in some]
    total = len(works) + sum(len(work.copies) for work in works) + len(paintings.rejects) + unreadable
    lost = max((shards.losses(target) for target in targets), key=len)
    if lost and (len(lost) == len(works) or unreadable + len(lost) > settings.max_rejects * total):
        for target in targets:
            shards.forget_losses(target)
        raise InputError(
            f"{len(lost):,} of {len(works):,} paintings could be read by the survey, but not while shards were written "
            f"({by_reason(lost)}; the first is {lost[0].path}), more than --max_rejects="
            f"{settings.max_rejects:g} allows. Is the disk still there? Run the same command again: what is whole is "
            "kept."
        )


def jobs_folder(settings: Settings) -> str:
    """Where the jobs of the writing phase lie."""
    return files.join(settings.output_dir, ".jobs")


def _check_given(found: Gallery) -> None:
    """Raises InputError where splits are to be kept, and none are given."""
    without = [candidate.path for candidate in found.candidates if not candidate.split]
    if without:
        raise InputError(
            f"--splits={flags.GIVEN} keeps the splits of folders train, val and test, or of a manifest's column split; "
            f"{len(without):,} of {len(found.candidates):,} pictures have none, {without[0]} first."
        )


def _collect(settings: Settings, found: Gallery) -> tuple[list[survey.Row], list[Reject]]:
    """The rows of a survey that is done; raises InputError where too much of the gallery cannot be read."""
    rows, rejects = survey.collect(found.candidates, _survey_folder(settings, found))
    _check_rejects(settings, found, [*found.rejects, *rejects], len(rows))
    return rows, rejects


def _check_rejects(settings: Settings, found: Gallery, rejects: Sequence[Reject], sound: int) -> None:
    """Raises InputError where the share of rejects is more than a user allows, or nothing else is left.

    Copies that would leak from one given split into another do not count: leaving them out is what was asked for.
    """
    lost = [reject for reject in rejects if reject.reason != LEAK]
    if (lost and not sound) or len(lost) > settings.max_rejects * (sound + len(lost)):
        raise InputError(
            f"{len(lost):,} of {sound + len(lost):,} files cannot be used ({by_reason(lost)}), more than --max_rejects="
            f"{settings.max_rejects:g} allows. {_list(settings, found, lost)} lists them. Fix them, or pass a larger "
            "--max_rejects."
        )


def _survey_folder(settings: Settings, found: Gallery) -> str:
    return survey.cache_folder(settings.output_dir, found.root, settings.max_pixels)


def _list(settings: Settings, found: Gallery, rejects: Sequence[Reject]) -> str:
    """Writes the table of rejects of a build that stops; returns its path."""
    path = files.join(_survey_folder(settings, found), REJECTS_FILE)
    files.write(path, [rejects_table(rejects)])
    return path


def default_encoding(scheme: Scheme) -> Encoding:
    """The encoding of a scheme's pictures where the user names none."""
    return "raw" if scheme.size <= RAW_UP_TO else "jpeg"


def make_target(scheme: Scheme, paintings: Plan, settings: Settings) -> Target:
    """Where and in how many shards a scheme is written."""
    encoding = settings.encoding or default_encoding(scheme)
    share = {"raw": 1.0, "png": PNG_SHARE, "jpeg": JPEG_SHARE}[encoding]
    works = [work for some in paintings.works.values() for work in some]
    crops = sum(scheme.count(work.width, work.height) for work in works) / len(works)  # of a painting, in the mean
    painting_bytes = int(crops * (scheme.size**2 * 3 * share + 200))
    counts = {
        split: plan.shard_count(len(works), painting_bytes, int(settings.shard_mib * 2**20))
        for split, works in paintings.works.items()
    }
    return Target(
        scheme=scheme,
        encoding=encoding,
        folder=files.join(settings.output_dir, scheme.name, VERSION),
        shards=counts,
        fingerprint=plan.fingerprint(paintings, scheme, encoding, counts),
    )


def _about(
    settings: Settings, found: Gallery, target: Target, paintings: Plan, rejects: Sequence[Reject]
) -> dict[str, object]:
    """How a dataset is built, for people; what a user may have changed comes first."""
    return {
        "data_dir": found.root,
        "layout": found.layout,
        "manifest": settings.manifest,
        "paintings": sum(map(len, paintings.works.values())),
        "artists": len(paintings.artists),
        "splits": flags.GIVEN if found.gives_splits else flags.show_ratios(settings.ratios),
        "seed": settings.seed,
        "dedup": settings.dedup,
        "encoding": target.encoding,
        "shard_mib": settings.shard_mib,
        "max_pixels": settings.max_pixels,
        "left_with_nothing": summary.left_with_nothing(paintings, rejects),
        "command": flags.command(settings, found.root, target.scheme, target.encoding),
        "versions": {
            "python": platform.python_version(),
            "pillow": metadata.version("pillow"),
            "simplejpeg": metadata.version("simplejpeg"),
            "apache-beam": metadata.version("apache-beam"),
        },
    }
