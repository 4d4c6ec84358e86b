"""What a build tells its user at the end, or instead of building."""

from __future__ import annotations

import itertools
import shlex
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from pipeline import shards
from pipeline.dataset.contract import SPLITS, VERSION, Contract
from pipeline.dataset.rejects import Reject, by_reason
from pipeline.dataset.schemes import Scheme
from pipeline.flags import Settings
from pipeline.pictures.fault import ImageError
from pipeline.plan.work import Plan, Work
from pipeline.shards import Target
from pipeline.storage import files

SAMPLE = 8  # paintings that a dry run decodes to judge speed
SHOWN = 10  # rejects that it lists


def mib(size: float) -> str:
    """A number of bytes for people."""
    return f"{size / 2**20:,.1f} MiB" if size < 2**30 else f"{size / 2**30:,.2f} GiB"


def _artists(plan: Plan) -> str:
    return f"{len(plan.artists)} artist" + "s" * (len(plan.artists) != 1)


def _per_artist(plan: Plan) -> list[str]:
    width = max([len("artist"), *(len(artist.name) for artist in plan.artists)])
    lines = [f"  {'artist':<{width}}" + "".join(f"{split:>12}" for split in SPLITS)]
    for label, artist in enumerate(plan.artists):
        lines.append(f"  {artist.name:<{width}}" + "".join(f"{plan.counts[split][label]:>12,}" for split in SPLITS))
    totals = "".join(f"{plan.paintings(split):>12,}" for split in SPLITS)
    return [*lines, f"  {'all':<{width}}{totals}"]


def _copies(plan: Plan) -> str:
    return (
        f"{plan.copies:,} exact copies left out; "
        f"{plan.near_paintings:,} near copies in {plan.near_groups:,} groups, each in one split"
        + (
            f"; {plan.cut_links:,} pairs are alike and in two groups, lest these chain, and perhaps in two splits: "
            f"{' and '.join(plan.cut_first)} first"
            if plan.cut_links
            else ""
        )
    )


def left_with_nothing(plan: Plan, rejects: Iterable[Reject]) -> dict[str, str]:
    """Artists all of whose files are rejects -> how many, and why."""
    there = {artist.name for artist in plan.artists}
    lost: dict[str, list[Reject]] = defaultdict(list)
    for reject in rejects:
        if reject.artist and reject.artist not in there:
            lost[reject.artist].append(reject)
    return {artist: by_reason(some) for artist, some in sorted(lost.items())}


def _lost(plan: Plan, rejects: Iterable[Reject]) -> list[str]:
    lost = left_with_nothing(plan, rejects)
    return [f"left with nothing: {'; '.join(f'{artist} ({why})' for artist, why in lost.items())}"] if lost else []


def _first(rejects: Sequence[Reject]) -> list[str]:
    """A table of the first rejects."""
    shown = sorted(rejects, key=lambda reject: (reject.path, reject.reason))[:SHOWN]
    width = max((len(reject.reason) for reject in shown), default=0)
    lines = [f"  {reject.reason:<{width}}  {reject.path}: {reject.detail}" for reject in shown]
    return [*lines, f"  and {len(rejects) - SHOWN:,} more"] if len(rejects) > SHOWN else lines


def _sample(plan: Plan) -> list[Work]:
    """A few paintings, spread over all."""
    works = itertools.chain.from_iterable(map(plan.works, plan.parts))
    return list(itertools.islice(works, 0, None, max(1, plan.paintings() // SAMPLE)))[:SAMPLE]


def dry_run(
    layout: str,
    plan: Plan,
    targets: Sequence[Target],
    counted: Mapping[Scheme, int],
    rejects: Sequence[Reject],
    settings: Settings,
    read: Callable[[str], bytes],
) -> str:
    """How a folder was understood, what a build would write, and about how long it would take.

    That is judged by decoding a few of the paintings. `counted`: how many crops each scheme makes of all paintings.
    `read` gives the bytes of a painting's file.
    """
    paintings = plan.paintings()
    sample = _sample(plan)
    sizes = dict.fromkeys((target.scheme.name for target in targets), 0)
    started = time.monotonic()
    for work in sample:
        try:
            source = shards.Source(read(work.path), settings.max_pixels)
            for target in targets:
                sizes[target.scheme.name] += sum(
                    map(len, source.frames(work, target.scheme, target.encoding, plan.seed))
                )
        except (ImageError, OSError):
            continue  # it will be a reject
    seconds = (time.monotonic() - started) / len(sample) * paintings / settings.workers
    lines = [
        f"layout: {layout}",
        f"paintings: {paintings:,} by {_artists(plan)}",
        *_per_artist(plan),
        *_lost(plan, rejects),
        f"copies: {_copies(plan)}",
        f"rejects: {by_reason(rejects)}",
        *_first(rejects),
    ]
    for target in targets:
        size = sizes[target.scheme.name] / len(sample) * paintings
        crops = counted[target.scheme]
        lines.append(
            f"would write {target.folder}: {crops:,} records ({target.encoding}), "
            f"{sum(target.shards.values()):,} shards, about {mib(size)}"
        )
    return "\n".join([*lines, f"in about {seconds:.0f} s with {settings.workers} workers. No dataset was written."])


def built(plan: Plan, targets: Sequence[Target], contracts: Sequence[Contract], rejects: Sequence[Reject]) -> str:
    """What was built, and where."""
    lines = [f"paintings: {plan.paintings():,} by {_artists(plan)}", *_per_artist(plan), *_lost(plan, rejects)]
    lines.append(f"copies: {_copies(plan)}")
    lost = max(contract.build["rejects"] for contract in contracts) - len(rejects)
    lines.append(f"rejects: {by_reason(rejects)}" + (f"; {lost:,} while shards were written" if lost else ""))
    for target, contract in zip(targets, contracts, strict=True):
        parts = [shard for some in contract.splits.values() for shard in some]
        lines.append(
            f"{contract.scheme.name}: {sum(part.records for part in parts):,} records ({contract.encoding}), "
            f"{len(parts):,} shards, {mib(sum(part.bytes for part in parts))}, "
            f"{contract.build['enlarged']:,} paintings enlarged to fit -> {target.folder}"
        )
    return "\n".join(lines)


def ending(settings: Settings, contracts: Sequence[Contract], rate: float, peak_mib: int, seconds: float) -> str:
    """How fast it went, and what to do next."""
    folder = shlex.quote(files.join(settings.output_dir, contracts[0].scheme.name, VERSION))
    speed = f"{rate:,.0f} paintings/s while writing, " if rate else ""
    return (
        f"{speed}{seconds:.1f} s in all, peak memory {peak_mib:,} MiB over all processes\n"
        f"look at it: {files.join(folder, 'card.html')}\n"
        f"train on it: python -m trainer.main --dataset_dir={folder} --run_dir=runs/first"
    )
