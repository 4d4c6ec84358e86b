"""python -m pipeline.build: a folder of paintings -> TFRecord datasets, out of core.

Survey (every file looked at once), plan (copies grouped, paintings split, shards laid out), write (shards, through
Beam), seal (the dataset describes itself). See `--help`, and pipeline.flags for what the flags mean.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from pipeline import files, flags, images, jobs, plan, shards, summary, survey
from pipeline.card import REJECTS_FILE
from pipeline.errors import DatasetError, InputError, MorelliError
from pipeline.flags import Settings
from pipeline.gallery import Gallery, Reject
from pipeline.gallery import find as find_gallery
from pipeline.lock import exclusive
from pipeline.plan import Plan
from pipeline.progress import PeakMemory, Progress
from pipeline.records import CONTRACT_FILE, FORMAT, VERSION, Contract, Encoding, Scheme
from pipeline.seal import rejects_csv, seal
from pipeline.shards import BUILD_FOLDER, Target

PLAN_FILE = "plan.json"
RAW_UP_TO = 256  # pixels a side; measured, see BUILD_NOTES.md
PNG_SHARE = 0.75  # of raw, for a guess at shard sizes before there is a record
JPEG_SHARE = 0.25


def main(argv: Sequence[str] | None = None) -> int:
    """The command. Returns its exit status."""
    settings = flags.parse(argv, os.cpu_count() or 1, images.DEFAULT_MAX_PIXELS)
    try:
        build(settings)
    except MorelliError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped. The same command goes on from here.", file=sys.stderr)
        sys.stderr.flush()
        os._exit(130)  # the local runner's threads would go on to the end of their work
    return 0


def build(settings: Settings) -> list[Contract]:
    """Builds the datasets that `settings` ask for; [] for a dry run.

    Raises:
      MorelliError: a sentence that says what is wrong and what to do.
    """
    begun = time.monotonic()
    with exclusive(settings.output_dir), PeakMemory() as memory:
        data_dir = settings.data_dir or _embedded_gallery(settings)
        gallery = find_gallery(data_dir, settings.manifest)
        for note in gallery.notes:
            print(f"note: {note}")
        rows, rejects = _survey(settings, gallery)
        paintings = plan.make_plan(
            rows,
            {artist.name: artist for artist in gallery.artists},
            settings.ratios,
            settings.seed,
            settings.dedup,
            images.NEAR_COPY_BITS,
        )
        del rows
        rejects = [*gallery.rejects, *rejects, *paintings.rejects]
        targets = [make_target(scheme, paintings, settings) for scheme in settings.schemes]
        if settings.dry_run:
            print(summary.dry_run(paintings, targets, rejects, settings.workers, settings.max_pixels))
            return []
        for target in targets:
            _claim(target, _about(settings, data_dir, target, paintings), settings.overwrite)
        writing = time.monotonic()
        written = _write(settings, paintings, targets)
        rate = written / (time.monotonic() - writing) if written else None
        contracts = [
            seal(target, paintings, rejects, _about(settings, data_dir, target, paintings)) for target in targets
        ]
    print(summary.built(paintings, targets, contracts, rejects, rate, memory.mib, time.monotonic() - begun))
    return contracts


def _embedded_gallery(settings: Settings) -> str:
    from pipeline import atelier

    if files.is_remote(settings.output_dir):
        raise InputError(
            "The embedded gallery is painted on this machine. Pass --data_dir for a build to "
            f"{settings.output_dir}, or a local --output_dir."
        )
    folder = Path(settings.output_dir) / "gallery"
    with Progress("paint the embedded gallery", atelier.DEFAULT) as progress:
        done = 0

        def on_progress(painted: int, _: int) -> None:
            nonlocal done
            progress.add(painted - done)
            done = painted

        atelier.write_gallery(folder, workers=settings.workers, on_progress=on_progress)
    return str(folder)


def _survey(settings: Settings, gallery: Gallery) -> tuple[list[survey.Row], list[Reject]]:
    """Surveys a gallery; raises InputError where too much of it cannot be read."""
    folder = survey.cache_folder(settings.output_dir, gallery.root, settings.max_pixels)
    with Progress("survey", len(gallery.candidates)) as progress:
        rows, rejects = survey.survey(
            gallery.candidates,
            folder,
            settings.max_pixels,
            settings.workers,
            settings.beam,
            lambda result: progress.add(result["paintings"]),
        )
    unreadable = [*gallery.rejects, *rejects]
    if not rows or len(unreadable) > settings.max_rejects * (len(rows) + len(unreadable)):
        path = files.join(folder, REJECTS_FILE)
        files.write(path, [rejects_csv(unreadable)])
        raise InputError(
            f"{len(unreadable):,} of {len(rows) + len(unreadable):,} files cannot be read "
            f"({summary.by_reason(unreadable)}), more than --max_rejects={settings.max_rejects:g} allows. "
            f"{path} lists them. Mend them, or pass a larger --max_rejects."
        )
    return rows, rejects


def default_encoding(scheme: Scheme) -> Encoding:
    """The encoding of a scheme's pictures where the user names none."""
    return "raw" if scheme.size <= RAW_UP_TO else "jpeg"


def make_target(scheme: Scheme, paintings: Plan, settings: Settings) -> Target:
    """Where and in how many shards a scheme is written."""
    encoding = settings.encoding or default_encoding(scheme)
    share = {"raw": 1.0, "png": PNG_SHARE, "jpeg": JPEG_SHARE}[encoding]
    painting_bytes = int(scheme.samples * (scheme.size**2 * 3 * share + 200))
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


def _about(settings: Settings, data_dir: str, target: Target, paintings: Plan) -> dict[str, object]:
    """How a dataset is built, for people; what a user may have changed comes first."""
    import apache_beam
    import PIL

    scheme = target.scheme
    asked = (
        f"--reshape={scheme.size}" if scheme.kind == "reshape" else f"--crop={scheme.size} --samples={scheme.samples}"
    )
    return {
        "data_dir": data_dir,
        "manifest": settings.manifest,
        "paintings": sum(map(len, paintings.works.values())),
        "artists": len(paintings.artists),
        "splits": "/".join(f"{100 * ratio:g}" for ratio in settings.ratios),
        "seed": settings.seed,
        "dedup": settings.dedup,
        "encoding": target.encoding,
        "shard_mib": settings.shard_mib,
        "command": f"python -m pipeline.build --data_dir={data_dir} {asked} --seed={settings.seed}",
        "versions": {
            "python": platform.python_version(),
            "pillow": PIL.__version__,
            "apache-beam": apache_beam.__version__,
        },
    }


def _claim(target: Target, about: dict[str, object], overwrite: bool) -> None:
    """Makes a dataset's folder this build's. Raises DatasetError where it is another's."""
    plan_path = files.join(target.folder, BUILD_FOLDER, PLAN_FILE)
    there = files.sizes(target.folder)
    ours = PLAN_FILE in files.sizes(files.join(target.folder, BUILD_FOLDER))
    if ours:
        other = json.loads(files.read(plan_path))
        if other["fingerprint"] != target.fingerprint or other["format"] != FORMAT:
            changed = [
                f"{key} was {other['about'].get(key)}, now {value}"
                for key, value in about.items()
                if key not in ("command", "versions") and other["about"].get(key) != value
            ]
            if not overwrite:
                raise DatasetError(
                    f"{target.folder} holds another build ({'; '.join(changed) or 'the paintings have changed'}). "
                    "Pass --overwrite to delete it, or another --output_dir to keep both."
                )
            files.remove_tree(target.folder)
    elif there:
        if not (overwrite and CONTRACT_FILE in there):
            raise DatasetError(
                f"{target.folder} is not empty, and holds no build that could go on. "
                "Empty it yourself, or pass another --output_dir."
            )
        files.remove_tree(target.folder)
    files.remove_temporary(target.folder)
    files.remove_temporary(files.join(target.folder, BUILD_FOLDER, "receipts"))
    content = {"format": FORMAT, "fingerprint": target.fingerprint, "about": about}
    files.write(plan_path, [json.dumps(content, ensure_ascii=False, indent=1).encode()])


def _write(settings: Settings, paintings: Plan, targets: Sequence[Target]) -> int:
    """Writes the shards that are missing; returns how many paintings were read for it."""
    folder = files.join(settings.output_dir, ".jobs")
    paths, count, missing = [], 0, 0
    for name, job in shards.make_lots(paintings, targets, settings.max_pixels):
        paths.append(files.join(folder, name))
        files.write(paths[-1], [json.dumps(job).encode()])
        count += len(job["works"])
        missing += sum(len(wanted["shards"]) for wanted in job["targets"])
    total = sum(sum(target.shards.values()) for target in targets)
    if missing < total:
        print(f"note: {total - missing:,} of {total:,} shards are written already")
    if paths:
        with Progress("write", count) as progress:
            jobs.run(
                shards.write_lot,
                paths,
                settings.workers,
                settings.beam,
                lambda result: progress.add(result["paintings"]),
            )
        files.remove_tree(folder)
    return count


if __name__ == "__main__":
    sys.exit(main())
