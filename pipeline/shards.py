"""One job is one lot of paintings; what it leaves is the shards of that lot, in every scheme asked for, and receipts.

Each painting of a lot is read once. A shard is written under a temporary name, flushed and renamed, and the receipts
of a lot after its shards: a shard without a receipt is written again, and comes out with the same bytes.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.dataset.contract import Encoding, Shard, shard_filename
from pipeline.dataset.example import encode_example
from pipeline.dataset.frames import frame
from pipeline.dataset.rejects import CHANGED, DAMAGED, UNREADABLE, Reject
from pipeline.dataset.schemes import BY_NAME, Scheme
from pipeline.errors import StorageError
from pipeline.pictures import guard
from pipeline.pictures.crops import cut, encode
from pipeline.pictures.decode import Painting, decode, scales_down
from pipeline.pictures.fault import ImageError
from pipeline.plan.order import keyed_order, shard_range
from pipeline.plan.work import Plan, Work
from pipeline.storage import files, plain
from pipeline.storage.web import Downloads
from pipeline.workers.jobs import read_job

MARK = ".tfrecord-"  # in the name of a shard, and of no other file of a dataset
RECEIPTS = "receipts"
LINES = ".jsonl"  # the ending of a file of receipts
BUILD_FOLDER = ".build"  # within a dataset's folder: what a build that is resumed needs to know


@dataclass(frozen=True, slots=True)
class Target:
    """A dataset to be written: a scheme, its encoding, its folder, and its number of shards by split."""

    scheme: Scheme
    encoding: Encoding
    folder: str
    shards: Mapping[str, int]
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """A finished shard, the dataset it belongs to, and its paintings that could not be written after all."""

    shard: Shard
    fingerprint: str
    rejects: tuple[Reject, ...]
    enlarged: int


@dataclass(frozen=True, slots=True)
class WantedShard:
    """A shard to write: its name, and the positions in its lot of its first painting and of the one after its last."""

    name: str
    first: int
    stop: int


@dataclass(frozen=True, slots=True)
class WantedShards:
    """The shards of one dataset that a lot is to leave."""

    scheme: Scheme
    encoding: Encoding
    folder: str
    fingerprint: str
    shards: tuple[WantedShard, ...]


@dataclass(frozen=True, slots=True)
class Lot:
    """A job: paintings, and the shards to make of them; `name` tells it from the others of a build.

    `downloads` is where pictures of the web are kept.
    """

    name: str
    seed: int
    max_pixels: int
    downloads: str
    targets: tuple[WantedShards, ...]
    works: tuple[Work, ...]

    def to_json(self) -> bytes:
        """The job's content."""
        return plain.to_json(self, BY_NAME)

    @classmethod
    def from_json(cls, content: bytes) -> Lot:
        """The inverse. Raises ValueError."""
        return plain.from_json(cls, content, BY_NAME)


@dataclass(frozen=True, slots=True)
class Written:
    """A shard under a temporary name, and its receipt."""

    path: str
    temporary: str
    receipt: Receipt


def make_lots(plan: Plan, targets: Sequence[Target], max_pixels: int, downloads: str = "") -> Iterator[Lot]:
    """Every lot that has a shard to write, one in memory at a time.

    A lot holds the paintings of one shard of the scheme that has fewest; the shards of the others nest in it.
    """
    done = [finished(target) for target in targets]
    for split in plan.parts:
        paintings = plan.paintings(split)
        if not paintings:
            continue
        works = plan.works(split)
        lots = min(target.shards[split] for target in targets)
        for lot in range(lots):
            first, stop = shard_range(paintings, lot, lots)
            held = tuple(itertools.islice(works, stop - first))
            wanted = tuple(
                _wanted(target, split, (lot, lots), (first, paintings), there)
                for target, there in zip(targets, done, strict=True)
            )
            if any(each.shards for each in wanted):
                name = f"{split}-{lot:05d}-of-{lots:05d}"
                yield Lot(name, plan.seed, max_pixels, downloads, tuple(each for each in wanted if each.shards), held)


def _wanted(
    target: Target, split: str, lot: tuple[int, int], first: tuple[int, int], there: Mapping[str, Receipt]
) -> WantedShards:
    """The shards of a target in a lot of so many, which starts at a painting of so many, that are not there."""
    count = target.shards[split]
    per_lot = count // lot[1]
    shards = []
    for index in range(lot[0] * per_lot, (lot[0] + 1) * per_lot):
        name = shard_filename(target.scheme, split, index, count)
        start, stop = shard_range(first[1], index, count)
        if name not in there:
            shards.append(WantedShard(name, start - first[0], stop - first[0]))
    return WantedShards(target.scheme, target.encoding, target.folder, target.fingerprint, tuple(shards))


def write_lot(job: str) -> dict[str, Any]:
    """The step of one job: writes the shards of a lot that are missing, all but what `finish_lot` does.

    Memory: one painting, and one shard of each scheme; of an object store, the files of some more paintings.

    Returns:
      "paintings": how many there are in the lot; and what `finish_lot` needs.

    Raises:
      StorageError: the disk is full.
    """
    lot = Lot.from_json(read_job(job))
    writers = [_Writer(target, lot.seed) for target in lot.targets]
    wanting = [[writer for writer in writers if writer.wants(position)] for position in range(len(lot.works))]
    paths = (work.path for work, some in zip(lot.works, wanting, strict=True) if some)
    with files.ReadAhead(paths, Downloads(lot.downloads, guard.most_bytes(lot.max_pixels)).read) as ahead:
        for position, (work, some) in enumerate(zip(lot.works, wanting, strict=True)):
            if some:
                _add(work, ahead, some, lot.seed, lot.max_pixels)
            for writer in writers:
                writer.write_if_last(position)
    written = [(target.folder, writer.written) for target, writer in zip(lot.targets, writers, strict=True)]
    result = {"paintings": len(lot.works), "lot": lot.name, "written": written}
    if any(files.is_remote(target.folder) for target in lot.targets):
        finish_lot(result)  # whoever waits for this worker may not know that file system
        result["written"] = []
    return result


def finish_lot(result: Mapping[str, Any]) -> None:
    """Gives the shards of a lot their names, and then their receipts: nearly all of it is waiting for the disk.

    Raises:
      StorageError: the disk is full.
    """
    written: Sequence[Written]
    for folder, written in result["written"]:
        for shard in written:
            files.finish(shard.path, shard.temporary)
        path = files.join(folder, BUILD_FOLDER, RECEIPTS, f"{result['lot']}{LINES}")
        new = {shard.receipt.shard.filename: shard.receipt for shard in written}
        kept = {receipt.shard.filename: receipt for receipt in _read_receipts(path)}  # of shards that were not missing
        plain.write_lines(path, (kept | new).values())


def _add(work: Work, ahead: files.ReadAhead, writers: Sequence[_Writer], seed: int, max_pixels: int) -> None:
    """Hands the crops of a painting to the writers of their schemes, or a reject to all: none has what others lack."""
    try:
        source = Source(_read_unchanged(work, ahead), max_pixels)
        with guard.watching(work.path):
            frames = [source.frames(work, writer.scheme, writer.encoding, seed) for writer in writers]
    except StorageError:  # of the place, not of the picture
        raise
    except Exception as error:  # of one picture, in whatever library; it was sound when surveyed
        if isinstance(error, ImageError):
            reason, detail = error.reason, error.detail
        else:
            reason = UNREADABLE if isinstance(error, OSError) else DAMAGED
            detail = str(error) if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
        reject = Reject(work.path, work.artist, reason, f"failed while shards were written: {detail}")
        for writer in writers:
            writer.rejects.append(reject)
    else:
        for writer, some in zip(writers, frames, strict=True):
            writer.add(some, writer.scheme.is_enlarged(work.width, work.height))


def _read_unchanged(work: Work, ahead: files.ReadAhead) -> bytes:
    """A painting's file. Raises OSError, or ImageError where it is not the one that was planned with."""
    data = ahead.read(work.path)
    if hashlib.sha256(data).hexdigest() != work.digest:
        raise ImageError(CHANGED, f"{len(data):,} bytes that are not those of the survey")
    return data


class Source:
    """A painting's bytes, decoded at most once at each resolution that schemes ask for."""

    def __init__(self, data: bytes, max_pixels: int) -> None:
        self._data = data
        self._max_pixels = max_pixels
        self._decoded: dict[int | None, Painting] = {}

    def frames(self, work: Work, scheme: Scheme, encoding: Encoding, seed: int) -> list[bytes]:
        """The TFRecord frames of a scheme's crops. Raises ImageError."""
        painting = self._at(scheme.resolution)
        size = (painting.width, painting.height)
        return [
            frame(
                encode_example(encode(crop.pixels, encoding), work.label, work.painting_id, crop.index, crop.box, size)
            )
            for crop in cut(painting, scheme, seed, work.digest)
        ]

    def _at(self, resolution: int | None) -> Painting:
        # A scheme's pixels must not depend on which other schemes are built beside it: a scaled decode is not replaced
        # by the full one that is at hand unless they are the same. It costs less than scaling the full picture.
        full = self._decoded.get(None)
        if resolution and full and not scales_down(self._data, full.width, full.height, resolution):
            return full
        if resolution not in self._decoded:
            self._decoded[resolution] = decode(self._data, max_pixels=self._max_pixels, at_least=resolution)
        return self._decoded[resolution]


class _Writer:
    """Collects the records of one scheme's current shard."""

    def __init__(self, target: WantedShards, seed: int) -> None:
        self.scheme = target.scheme
        self.encoding = target.encoding
        self.rejects: list[Reject] = []
        self.written: list[Written] = []  # for `finish_lot`
        self._folder = target.folder
        self._fingerprint = target.fingerprint
        self._shards = target.shards
        self._seed = seed
        self._frames: list[bytes] = []
        self._paintings = 0
        self._enlarged = 0

    def wants(self, position: int) -> bool:
        return any(shard.first <= position < shard.stop for shard in self._shards)

    def add(self, frames: list[bytes], enlarged: bool) -> None:
        self._frames += frames
        self._paintings += 1
        self._enlarged += enlarged

    def write_if_last(self, position: int) -> None:
        for shard in self._shards:
            if position == shard.stop - 1:
                self._write(shard.name)

    def _write(self, name: str) -> None:
        order = sorted(range(len(self._frames)), key=lambda index: keyed_order(self._seed, f"{name}/{index}"))
        checksum = hashlib.sha256()

        def pieces() -> Iterator[bytes]:
            for index in order:
                checksum.update(self._frames[index])
                yield self._frames[index]

        path = files.join(self._folder, name)
        temporary = files.start(path, pieces())
        shard = Shard(name, len(order), self._paintings, sum(map(len, self._frames)), checksum.hexdigest())
        receipt = Receipt(shard, self._fingerprint, tuple(self.rejects), self._enlarged)
        self.written.append(Written(path, temporary, receipt))
        self._frames, self.rejects, self._paintings, self._enlarged = [], [], 0, 0


# --- Receipts --------------------------------------------------------------------------------------------------------


def _read_receipts(path: str) -> list[Receipt]:
    """The receipts of a lot; none where they are missing or damaged: its shards are written again then."""
    try:
        return list(plain.read_lines(path, Receipt))
    except (FileNotFoundError, ValueError):
        return []


def finished(target: Target) -> dict[str, Receipt]:
    """The shards that need not be written again, by name: whole, and with a receipt of this very dataset."""
    found = files.sizes(target.folder)
    folder = files.join(target.folder, BUILD_FOLDER, RECEIPTS)
    return {
        receipt.shard.filename: receipt
        for name in sorted(files.sizes(folder))
        if name.endswith(LINES) and not name.startswith(files.TEMPORARY)
        for receipt in _read_receipts(files.join(folder, name))
        if receipt.fingerprint == target.fingerprint and receipt.shard.bytes == found.get(receipt.shard.filename)
    }


def losses(target: Target) -> list[Reject]:
    """The paintings of a dataset that failed while its shards were written."""
    return [reject for receipt in finished(target).values() for reject in receipt.rejects]


def forget_losses(target: Target) -> None:
    """Lets shards that lack a painting be written again."""
    for name, receipt in finished(target).items():
        if receipt.rejects:
            files.remove(files.join(target.folder, name))
