"""The plan, made by the workers of a Beam runner: what `local` brings together by sorting, a shuffle of theirs does.

Three pipelines, with files between them that all workers see: one keeps the first of exact copies, one compares hashes
(`search_on_beam`), and one gives each painting its place. Between them this process holds what it knows of paintings
that have copies. Parts are ranges of keys that are hashes, so that parts in order are keys in order.
"""

from __future__ import annotations

import functools
import itertools
import json
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from pipeline.dataset.contract import SPLITS, Artist
from pipeline.dataset.rejects import Reject
from pipeline.errors import MorelliError
from pipeline.pictures.likeness import read_look
from pipeline.plan import search_on_beam
from pipeline.plan.copies import copies_key, keep_first
from pipeline.plan.deal import Dealt, Tally, deal_groups, describe_plan, place
from pipeline.plan.groups import find_groups
from pipeline.plan.order import keyed_order
from pipeline.plan.splits import Dealer
from pipeline.plan.work import Kept, Plan, Rules, Work
from pipeline.storage import files, plain
from pipeline.survey import Row
from pipeline.workers.beam import import_beam, run_pipeline

PART = 10_000  # paintings of a file, about
_ROWS, _KEPT, _REJECTS, _ARTISTS = "rows.jsonl", "kept.jsonl", "rejects.jsonl", "artists.json"
_DEALT, _TALLY = "dealt.json", "tally.json"


def make_plan(
    rows: Iterable[Row], artists: Mapping[str, Artist], rules: Rules, folder: str, beam_flags: Sequence[str]
) -> tuple[Plan, list[Reject]]:
    """The plan that `local.make_plan` makes of the same rows and rules.

    Args:
      rows, artists, rules: as there.
      folder: which all workers see; what an earlier plan left in it goes, and the plan's paintings stay.
      beam_flags: which name the runner.

    Raises:
      MorelliError: the runner did not do all of it.
    """
    files.remove_tree(folder)
    folder = files.join(folder, uuid.uuid4().hex[:8])  # where no worker of a plan that was stopped still writes
    total, row_parts = _write_rows(rows, folder)
    parts = max(1, -(-total // PART))
    run_pipeline(functools.partial(_keep, row_parts, rules, folder, parts, search_on_beam.blocks_of(total)), beam_flags)
    there = files.sizes(folder)
    tallies = [_read_json(folder, f"{part:05d}-{_ARTISTS}", there) for part in range(parts)]
    _check("rows", sum(tally.get("rows", 0) for tally in tallies), total)
    by_part = [Counter(tally.get("kept", {})) for tally in tallies]
    totals = sum(by_part, Counter[str]())
    rejects = [
        reject
        for part in range(parts)
        if (name := f"{part:05d}-{_REJECTS}") in there
        for reject in plain.read_lines(files.join(folder, name), Reject)
    ]
    found = None
    if rules.dedup == "near":
        starts = np.cumsum([0, *(kept.total() for kept in by_part)])[:-1]
        found, compared, expected = search_on_beam.find(starts, totals.total(), folder, beam_flags)
        _check("comparisons of a hash", compared, expected)
    kept = [files.join(folder, name) for part in range(parts) if (name := f"{part:05d}-{_KEPT}") in there]
    groups = find_groups(found, functools.partial(plain.read_some, kept, Kept), rules)
    rejects += groups.leaks.values()
    staying = totals - Counter(leak.artist for leak in groups.leaks.values())
    dealt = deal_groups(groups, staying, rules)
    files.write(files.join(folder, _DEALT), [plain.to_json(dealt)])
    run_pipeline(functools.partial(_place, rules, folder, parts), beam_flags)
    tally, by_split = _collect(folder, parts, dealt)
    _check("paintings", sum(map(sum, tally.counts.values())), staying.total())
    return describe_plan(tally, by_split, groups, artists, dealt, rules.seed, len(rejects)), rejects


def part_of(key: str, parts: int) -> int:
    """Which of so many parts a hex key belongs to, whose first eight digits are uniform."""
    return int(key[:8], 16) * parts >> 32


def _check(what: str, seen: int, expected: int) -> None:
    if seen != expected:
        raise MorelliError(
            f"The plan has {seen:,} of {expected:,} {what}, though the runner has ended: it, or a worker, was stopped. "
            "Run the same command again."
        )


def _write_rows(rows: Iterable[Row], folder: str) -> tuple[int, list[str]]:
    """How many rows there are, and the files that they were written to."""
    remaining, total, paths = iter(rows), 0, list[str]()
    while held := tuple(itertools.islice(remaining, PART)):
        paths.append(files.join(folder, f"{len(paths):05d}-{_ROWS}"))
        plain.write_lines(paths[-1], held)
        total += len(held)
    return total, paths


def _read_json(folder: str, name: str, there: Mapping[str, int]) -> dict[str, Any]:
    """What a worker left; nothing where it had nothing to leave."""
    found: dict[str, Any] = plain.parse(files.read(files.join(folder, name))) if name in there else {}
    return found


# --- The first of exact copies ---------------------------------------------------------------------------------------


def _keep(row_parts: Sequence[str], rules: Rules, folder: str, parts: int, blocks: int, pipeline: Any) -> None:
    """Rows go to where those of one digest are, and hashes of those that are kept to where those of one hash are."""
    beam = import_beam()
    _ = (
        pipeline
        | beam.Create(list(row_parts), reshuffle=True)
        | beam.FlatMap(_rows_by_part, parts)
        | beam.GroupByKey()
        | beam.FlatMap(_keep_part, rules, folder, blocks)
        | "by hash" >> beam.GroupByKey()
        | beam.Map(search_on_beam.write_block, folder)
    )


def _rows_by_part(path: str, parts: int) -> Iterator[tuple[int, bytes]]:
    for row in plain.read_lines(path, Row):
        yield part_of(copies_key(row), parts), plain.to_json(row)


def _keep_part(
    lines: tuple[int, Iterable[bytes]], rules: Rules, folder: str, blocks: int
) -> Iterator[tuple[int, bytes]]:
    part, contents = lines
    rows = sorted((plain.from_json(Row, content) for content in contents), key=lambda row: (copies_key(row), row.path))
    decided = [
        each
        for _, same in itertools.groupby(rows, key=copies_key)
        for each in keep_first(list(same), rules.dedup != "off", rules.ratios is None)
    ]
    kept = [each for each in decided if isinstance(each, Kept)]
    stem = files.join(folder, f"{part:05d}-")
    plain.write_lines(stem + _REJECTS, (each for each in decided if isinstance(each, Reject)))
    plain.write_lines(stem + _KEPT, kept)
    tally = {"rows": len(rows), "kept": Counter(each.row.artist for each in kept)}
    files.write(stem + _ARTISTS, [json.dumps(tally).encode()])
    if rules.dedup == "near":
        hashed = np.zeros(len(kept), search_on_beam.HASHED)
        hashed["row"] = search_on_beam.row_ids(part, len(kept))
        for place, each in enumerate(kept):
            hashed["hash"][place] = np.frombuffer(bytes.fromhex(each.row.hash), np.uint8)
            hashed["inner"][place] = np.frombuffer(bytes.fromhex(each.row.inner), np.uint8)
        search_on_beam.write_looks(part, (read_look(each.row.look) for each in kept), folder)
        yield from search_on_beam.by_block(hashed, blocks)


# --- Places ----------------------------------------------------------------------------------------------------------


def _place(rules: Rules, folder: str, parts: int, pipeline: Any) -> None:
    """Singles go to their artists, who deal them; splits go back to where their paintings lie; and these to places."""
    beam = import_beam()
    all_parts = pipeline | beam.Create(range(parts), reshuffle=True)
    dealt = (
        all_parts
        | beam.FlatMap(_singles_by_artist, rules, folder)
        | beam.GroupByKey()
        | beam.FlatMap(_deal_artist, rules, folder, parts)
    )
    _ = (
        (dealt, all_parts | beam.Map(lambda part: (part, None)))
        | beam.Flatten()
        | "by part" >> beam.GroupByKey()
        | beam.FlatMap(_works_by_place, rules, folder, parts)
        | "by place" >> beam.GroupByKey()
        | beam.Map(_write_works, rules, folder)
    )


def _singles_by_artist(part: int, rules: Rules, folder: str) -> Iterator[tuple[str, tuple[bytes, str]]]:
    if rules.ratios is None:
        return
    groups = _read_dealt(folder).groups
    for kept in _read_kept(folder, part):
        if kept.painting_id not in groups:
            yield kept.row.artist, (keyed_order(rules.seed, kept.painting_id), kept.painting_id)


def _deal_artist(
    singles: tuple[str, Iterable[tuple[bytes, str]]], rules: Rules, folder: str, parts: int
) -> Iterator[tuple[int, tuple[str, str]]]:
    artist, ordered = singles
    dealer = Dealer(_read_dealt(folder).quotas[artist], rules.ratios or ())
    for _, painting_id in sorted(ordered):
        yield part_of(painting_id, parts), (painting_id, dealer.deal(1))


def _works_by_place(
    dealt: tuple[int, Iterable[tuple[str, str] | None]], rules: Rules, folder: str, parts: int
) -> Iterator[tuple[tuple[str, int], bytes]]:
    part, pairs = dealt
    singles = dict(pair for pair in pairs if pair)
    decided = _read_dealt(folder)
    left_out = frozenset(decided.left_out)
    for kept in _read_kept(folder, part):
        if kept.painting_id in left_out:
            continue
        if rules.ratios is None:
            split = kept.row.split
        elif group := decided.groups.get(kept.painting_id):
            split = decided.splits[group]
        else:
            split = singles[kept.painting_id]
        order = keyed_order(rules.seed, kept.painting_id).hex()
        yield (split, part_of(order, parts)), plain.to_json(place(kept, decided, split))


def _write_works(lines: tuple[tuple[str, int], Iterable[bytes]], rules: Rules, folder: str) -> None:
    (split, part), contents = lines
    works = [plain.from_json(Work, content) for content in contents]
    works.sort(key=lambda work: keyed_order(rules.seed, work.painting_id))
    tally = Tally({split: [0] * len(_read_dealt(folder).labels)})
    for work in works:
        tally.add(work)
    plain.write_lines(_works_path(folder, split, part), works)
    files.write(f"{_works_path(folder, split, part)}.{_TALLY}", [plain.to_json(tally)])


def _works_path(folder: str, split: str, part: int) -> str:
    return files.join(folder, f"works-{split}-{part:05d}.jsonl")


def _collect(folder: str, parts: int, dealt: Dealt) -> tuple[Tally, dict[str, list[str]]]:
    """What was counted, and the files of each split's paintings, in order."""
    there = files.sizes(folder)
    whole = Tally({split: [0] * len(dealt.labels) for split in SPLITS})
    by_split: dict[str, list[str]] = {split: [] for split in SPLITS}
    for split, part in itertools.product(SPLITS, range(parts)):
        path = _works_path(folder, split, part)
        if f"{path.rpartition('/')[2]}.{_TALLY}" in there:
            tally = plain.from_json(Tally, files.read(f"{path}.{_TALLY}"))
            whole.counts[split] = [a + b for a, b in zip(whole.counts[split], tally.counts[split], strict=True)]
            whole.copies += tally.copies
            by_split[split].append(path)
    return whole, by_split


def _read_kept(folder: str, part: int) -> Iterator[Kept]:
    with suppress(FileNotFoundError):  # a part to which no painting belongs
        yield from plain.read_lines(files.join(folder, f"{part:05d}-{_KEPT}"), Kept)


def _read_dealt(folder: str) -> Dealt:
    return _parse_dealt(files.read(files.join(folder, _DEALT)))


@functools.lru_cache(maxsize=1)
def _parse_dealt(content: bytes) -> Dealt:
    """A worker has many parts of one plan."""
    return plain.from_json(Dealt, content)
