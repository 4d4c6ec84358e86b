"""One job is one lot of paintings; what it leaves is the shards of that lot, in every scheme asked for, and receipts.

Each painting of a lot is read once. A shard is written under a temporary name, flushed and renamed, and its receipt
after it: a shard without a receipt is written again, and comes out with the same bytes.
"""

from __future__ import annotations

import hashlib
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
from pipeline.plan import Plan, Work, keyed_order, shard_range
from pipeline.storage import files, plain

RECEIPTS = "receipts"
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
    """A job: paintings, and the shards to make of them."""

    seed: int
    max_pixels: int
    targets: tuple[WantedShards, ...]
    works: tuple[Work, ...]

    def to_json(self) -> bytes:
        """The content of the job's file."""
        return plain.to_json(self, BY_NAME)

    @classmethod
    def from_json(cls, content: bytes) -> Lot:
        """The inverse. Raises ValueError."""
        return plain.from_json(cls, content, BY_NAME)


@dataclass(frozen=True, slots=True)
class Written:
    """A shard under a temporary name; `receipt` is the content of its receipt's file."""

    path: str
    temporary: str
    receipt_path: str
    receipt: bytes


def make_lots(plan: Plan, targets: Sequence[Target], max_pixels: int) -> Iterator[tuple[str, Lot]]:
    """The (name, job) of every lot that has a shard to write.

    A lot holds the paintings of one shard of the scheme that has fewest; the shards of the others nest in it.
    """
    for split, works in plan.works.items():
        if not works:
            continue
        lots = min(target.shards[split] for target in targets)
        done = {target.folder: finished(target, split) for target in targets}
        for lot in range(lots):
            first, last = shard_range(len(works), lot, lots)
            wanted = []
            for target in targets:
                count = target.shards[split]
                per_lot = count // lots
                shards = []
                for index in range(lot * per_lot, (lot + 1) * per_lot):
                    name = shard_filename(target.scheme, split, index, count)
                    start, stop = shard_range(len(works), index, count)
                    if name not in done[target.folder]:
                        shards.append(WantedShard(name, start - first, stop - first))
                if shards:
                    wanted.append(
                        WantedShards(target.scheme, target.encoding, target.folder, target.fingerprint, tuple(shards))
                    )
            if wanted:
                job = Lot(plan.seed, max_pixels, tuple(wanted), works[first:last])
                yield f"{split}-{lot:05d}-of-{lots:05d}.job.json", job


def write_lot(job: str) -> dict[str, Any]:
    """The step of one job: writes the shards of a lot that are missing, all but what `finish_lot` does.

    Memory: one painting, and one shard of each scheme; of an object store, the files of some more paintings.

    Returns:
      "paintings": how many there are in the lot; and what `finish_lot` needs.

    Raises:
      StorageError: the disk is full.
    """
    lot = Lot.from_json(files.read(job))
    writers = [_Writer(target, lot.seed) for target in lot.targets]
    wanting = [[writer for writer in writers if writer.wants(position)] for position in range(len(lot.works))]
    with files.ReadAhead(work.path for work, some in zip(lot.works, wanting, strict=True) if some) as ahead:
        for position, (work, some) in enumerate(zip(lot.works, wanting, strict=True)):
            if some:
                _add(work, ahead, some, lot.seed, lot.max_pixels)
            for writer in writers:
                writer.write_if_last(position)
    result = {"paintings": len(lot.works), "written": [written for writer in writers for written in writer.written]}
    if any(files.is_remote(target.folder) for target in lot.targets):
        finish_lot(result)  # whoever waits for this worker may not know that file system
        result["written"] = []
    return result


def finish_lot(result: Mapping[str, Any]) -> None:
    """Gives the shards of a lot their names, and then their receipts: nearly all of it is waiting for the disk.

    Raises:
      StorageError: the disk is full.
    """
    written: Written
    for written in result["written"]:
        files.finish(written.path, written.temporary)
        files.write(written.receipt_path, [written.receipt])


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
        self.written.append(Written(path, temporary, receipt_path(self._folder, name), plain.to_json(receipt)))
        self._frames, self.rejects, self._paintings, self._enlarged = [], [], 0, 0


# --- Receipts --------------------------------------------------------------------------------------------------------


def receipt_path(folder: str, shard: str) -> str:
    """Where the receipt of a shard lies."""
    return files.join(folder, BUILD_FOLDER, RECEIPTS, shard + ".json")


def _read_receipt(folder: str, shard: str) -> Receipt | None:
    """The receipt of a shard; None where it is damaged: then the shard is written again."""
    try:
        return plain.from_json(Receipt, files.read(receipt_path(folder, shard)))
    except ValueError:
        return None


def finished(target: Target, split: str) -> dict[str, Receipt]:
    """The shards of a split that need not be written again: whole, and with a receipt of this very dataset."""
    found = files.sizes(target.folder)
    receipts = files.sizes(files.join(target.folder, BUILD_FOLDER, RECEIPTS))
    done = {}
    for index in range(target.shards[split]):
        name = shard_filename(target.scheme, split, index, target.shards[split])
        if name in found and f"{name}.json" in receipts:
            receipt = _read_receipt(target.folder, name)
            if receipt and receipt.fingerprint == target.fingerprint and receipt.shard.bytes == found[name]:
                done[name] = receipt
    return done


def losses(target: Target) -> list[Reject]:
    """The paintings of a dataset that failed while its shards were written."""
    return [
        reject for split in target.shards for receipt in finished(target, split).values() for reject in receipt.rejects
    ]


def forget_losses(target: Target) -> None:
    """Lets shards that lack a painting be written again."""
    for split in target.shards:
        for name, receipt in finished(target, split).items():
            if receipt.rejects:
                files.remove(receipt_path(target.folder, name))
