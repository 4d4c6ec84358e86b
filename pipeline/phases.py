"""What a build decides, phase by phase, each in a process of its own (see `processes.apart`).

Finding, planning and describing look at all paintings at once, and each takes with it what it held. While workers are
up, no process knows more than the names of their jobs: memory does not grow with the number of paintings. Phases hand
over through a scratch folder.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from pipeline import flags, handover, seal, shards, summary, survey
from pipeline.claim import claim_folders
from pipeline.dataset.contract import CONTRACT_FILE, VERSION, Contract, Encoding
from pipeline.dataset.rejects import CHANGED, LEAK, REJECTS_FILE, Reject, by_reason, rejects_table
from pipeline.dataset.schemes import Scheme
from pipeline.errors import InputError
from pipeline.flags import Settings
from pipeline.gallery.find import Gallery, find_gallery
from pipeline.pictures.guard import most_bytes
from pipeline.plan import local, on_beam, search
from pipeline.plan.order import Records, fingerprints, shard_count
from pipeline.plan.work import Plan, Rules
from pipeline.shards import Target
from pipeline.storage import files
from pipeline.storage.web import Downloads
from pipeline.survey import Row
from pipeline.workers.engines import is_local
from pipeline.workers.jobs import write_jobs
from pipeline.workers.results import Results
from pipeline.workers.step import Step

RAW_UP_TO = 256  # pixels a side; measured, see docs/BENCHMARKS.md
PNG_SHARE = 0.75  # of raw, for a guess at shard sizes before there is a record
JPEG_SHARE = 0.25
PLANNED_ON_RUNNER = 1_000_000  # files; below, this machine has planned before a cluster has started
SURVEY = Step(survey.survey_batch)
WRITE = Step(shards.write_lot, shards.finish_lot)


@dataclass(frozen=True, slots=True)
class Found:
    """What there is to survey: sentences for the user, jobs, where rows appear, files in all, files known already."""

    notes: tuple[str, ...]
    jobs: tuple[str, ...]
    results: Results
    files: int
    known: int


@dataclass(frozen=True, slots=True)
class Planned:
    """What there is to write: jobs and the paintings in them, shards in all, and shards that are written already.

    For a dry run, only `dry_run`: what would be written.
    """

    jobs: tuple[str, ...] = ()
    paintings: int = 0
    shards: int = 0
    finished: int = 0
    dry_run: str = ""
    results: Results | None = None  # where shards appear


def lay_out_survey(settings: Settings, data_dir: str, scratch: Path) -> Found:
    """Lists the gallery, and lays out the survey of those of its files that no earlier one has seen.

    Raises:
      InputError: there is nothing to build from.
    """
    found = find_gallery(data_dir, settings.manifest, settings.layout, scratch)
    if settings.keep_splits:
        _check_given(found)
    handover.write_gallery(scratch, found)
    todo = survey.prepare(
        found.candidates, _survey_folder(settings, found), settings.max_pixels, downloads_folder(settings)
    )
    notes = [*found.notes, *todo.notes]
    if settings.dedup == "near" and (slow := search.warn_of_slow_search(len(found.candidates))):
        notes.append(slow)
    return Found(tuple(notes), todo.jobs, todo.results, len(found.candidates), todo.known)


def make_plan(settings: Settings, scratch: Path, count: int) -> Planned:
    """Plans the datasets from the rows of the survey, takes their folders, and lays out the shards that are missing.

    So many files are planned with on this machine, or by the workers of another runner where they are very many.

    Raises:
      InputError: too many files cannot be read, or nothing is left to build from.
      DatasetError: a folder holds another build.
    """
    found = handover.read_gallery(scratch)
    given = settings.keep_splits or found.gives_splits
    rules = Rules(None if given else settings.ratios, settings.seed, settings.dedup)
    unreadable = list(found.rejects)
    rows = _sound(survey.collect(handover.read_candidates(scratch), _survey_folder(settings, found)), unreadable)
    artists = {artist.name: artist for artist in found.artists}
    if count >= PLANNED_ON_RUNNER and not is_local(settings.beam):
        folder = files.join(jobs_folder(settings), "plan")
        paintings, left_out = on_beam.make_plan(rows, artists, rules, folder, settings.beam)
    else:
        paintings, left_out = local.make_plan(rows, artists, rules, str(scratch))
    rejects = [*unreadable, *left_out]
    sound = paintings.paintings() + paintings.copies
    _check_rejects(settings, found, unreadable, sound + len(left_out))
    if not paintings.artists:
        raise InputError(
            f"No painting is left to build from: {by_reason(rejects)}. {_list(settings, found, rejects)} lists "
            "them. A folder per artist is expected, each painting in one of them."
        )
    _check_rejects(settings, found, rejects, sound)
    counted = _count_crops(paintings, settings.schemes)
    targets = make_targets(paintings, counted, settings)
    if settings.dry_run:
        read = Downloads(downloads_folder(settings), most_bytes(settings.max_pixels)).read
        return Planned(dry_run=summary.dry_run(found.layout, paintings, targets, counted, rejects, settings, read))
    abouts = tuple(_about(settings, found, target, paintings, rejects) for target in targets)
    claim_folders(targets, abouts, settings.overwrite)
    handover.write_plan(scratch, handover.Decided(paintings, tuple(targets), abouts, tuple(rejects)))
    todo = missing = 0

    def lots() -> Iterator[bytes]:
        nonlocal todo, missing
        for lot in shards.make_lots(paintings, targets, settings.max_pixels, downloads_folder(settings)):
            todo += len(lot.works)
            missing += sum(len(wanted.shards) for wanted in lot.targets)
            yield lot.to_json()

    jobs = tuple(write_jobs(jobs_folder(settings), lots()))
    total = sum(sum(target.shards.values()) for target in targets)
    results = Results(tuple(target.folder for target in targets), shards.MARK, total - missing, missing, todo)
    return Planned(jobs, todo, total, total - missing, results=results)


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
    _check_losses(settings, decided.plan, decided.targets, len(decided.rejects) - decided.plan.conflicts)
    contracts = [
        seal.describe(target, decided.plan, decided.rejects, about)
        for target, about in zip(decided.targets, decided.abouts, strict=True)
    ]
    return contracts, summary.built(decided.plan, decided.targets, contracts, decided.rejects)


def _check_losses(settings: Settings, paintings: Plan, targets: Sequence[Target], unreadable: int) -> None:
    """Raises InputError where the paintings that failed while shards were written are too many to do without.

    A disk that went away is no reason to seal what was written without it: those shards are to be written again.
    """
    planned = paintings.paintings()
    total = planned + paintings.copies + paintings.conflicts + unreadable
    lost = max((shards.losses(target) for target in targets), key=len)
    if lost and (len(lost) == planned or unreadable + len(lost) > settings.max_rejects * total):
        for target in targets:
            shards.forget_losses(target)
        raise InputError(
            f"{len(lost):,} of {planned:,} paintings could be read by the survey, but not while shards were written "
            f"({by_reason(lost)}; the first is {lost[0].path}), more than --max_rejects="
            f"{settings.max_rejects:g} allows. Is the disk still there? Run the same command again: what is whole is "
            "kept."
        )


def jobs_folder(settings: Settings) -> str:
    """Where the jobs of the writing phase lie, and a plan that workers have made."""
    return files.join(settings.output_dir, ".jobs")


def downloads_folder(settings: Settings) -> str:
    """Where pictures of the web are kept."""
    return files.join(settings.output_dir, ".downloads")


def _check_given(found: Gallery) -> None:
    """Raises InputError where splits are to be kept, and none are given."""
    without, first = 0, ""
    for candidate in found.candidates:
        if not candidate.split:
            without, first = without + 1, first or candidate.path
    if without:
        raise InputError(
            f"--splits={flags.GIVEN} keeps the splits of folders train, val and test, or of a manifest's column split; "
            f"{without:,} of {len(found.candidates):,} pictures have none, {first} first."
        )


def _sound(rows: Iterable[Row], rejects: list[Reject]) -> Iterator[Row]:
    """The rows of paintings; what a row says of any other file goes to `rejects`."""
    for row in rows:
        if row.reason:
            rejects.append(Reject(row.path, row.artist, row.reason, row.detail))
        else:
            yield row


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


def _count_crops(paintings: Plan, schemes: Sequence[Scheme]) -> dict[Scheme, int]:
    """How many crops each scheme makes of all paintings."""
    counted = dict.fromkeys(schemes, 0)
    for split in paintings.parts:
        for work in paintings.works(split):
            for scheme in schemes:
                counted[scheme] += scheme.count(work.width, work.height)
    return counted


def make_targets(paintings: Plan, counted: Mapping[Scheme, int], settings: Settings) -> list[Target]:
    """Where and in how many shards each scheme is written, which makes so many crops of all paintings."""
    labels = tuple(artist.name for artist in paintings.artists)
    datasets = []
    for scheme in settings.schemes:
        encoding = settings.encoding or default_encoding(scheme)
        share = {"raw": 1.0, "png": PNG_SHARE, "jpeg": JPEG_SHARE}[encoding]
        crops = counted[scheme] / paintings.paintings()  # of a painting, in the mean
        painting_bytes = int(crops * (scheme.size**2 * 3 * share + 200))
        counts = {
            split: shard_count(paintings.paintings(split), painting_bytes, int(settings.shard_mib * 2**20))
            for split in paintings.parts
        }
        datasets.append(Records(scheme, encoding, paintings.seed, labels, counts))
    works = {split: paintings.works(split) for split in paintings.parts}
    return [
        Target(
            dataset.scheme,
            dataset.encoding,
            files.join(settings.output_dir, dataset.scheme.name, VERSION),
            dataset.shards,
            fingerprint,
        )
        for dataset, fingerprint in zip(datasets, fingerprints(datasets, works), strict=True)
    ]


def _about(
    settings: Settings, found: Gallery, target: Target, paintings: Plan, rejects: Sequence[Reject]
) -> dict[str, object]:
    """How a dataset is built, for people; what a user may have changed comes first."""
    return {
        "data_dir": found.root,
        "layout": found.layout,
        "manifest": settings.manifest,
        "paintings": paintings.paintings(),
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
