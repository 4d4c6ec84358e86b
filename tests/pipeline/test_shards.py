"""Lots become shards: same bytes whatever is built beside them, and what fails late is a reject."""

import io
import itertools
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline import shards
from pipeline.dataset.example import decode_example
from pipeline.dataset.frames import read_frames
from pipeline.dataset.schemes import Crops, Reshape, Scheme
from pipeline.errors import StorageError
from pipeline.pictures.crops import cut
from pipeline.pictures.decode import decode
from pipeline.plan.local import make_plan
from pipeline.plan.order import Records, fingerprints, shard_count
from pipeline.plan.work import Plan, Rules, Work
from pipeline.shards import Target
from pipeline.storage import files
from pipeline.survey import Candidate, look_at
from pipeline.workers.jobs import write_jobs

SCHEMES = (Crops(16, 4), Crops(64, 1), Reshape(32))


@pytest.fixture(scope="module")
def paintings(tmp_path_factory) -> Plan:
    folder = tmp_path_factory.mktemp("paintings")
    rng = np.random.default_rng(0)
    rows = []
    for number in range(24):
        size = (int(rng.integers(40, 200)), int(rng.integers(40, 200)))
        path = folder / f"{number}.jpg"
        Image.fromarray(rng.integers(0, 256, (*size, 3), np.uint8)).save(path, quality=90)
        data = path.read_bytes()
        rows.append(look_at(Candidate(str(path), f"Artist {number % 3}", len(data), 0.0), data, 10**6))
    return make_plan(rows, {}, Rules((0.8, 0.1, 0.1), 5, "exact"), str(folder))[0]


def all_works(paintings: Plan) -> list[Work]:
    return [work for split in paintings.parts for work in paintings.works(split)]


def target(folder: Path, scheme: Scheme, made: Plan, most: int = 8) -> Target:
    counts = {split: min(most, shard_count(made.paintings(split), 1, 10**9)) for split in made.parts}
    if scheme.kind == "crop" and scheme.size == 16:
        counts["train"] = 8
    address = str(folder / scheme.name)
    records = Records(scheme, "raw", made.seed, ("A", "B", "C"), counts)
    (fingerprint,) = fingerprints([records], {split: made.works(split) for split in made.parts})
    return Target(scheme, "raw", address, counts, fingerprint)


def write(made: Plan, targets, folder: Path) -> int:
    count = 0
    lots = (lot.to_json() for lot in shards.make_lots(made, targets, 10**6))
    for job in write_jobs(str(folder), lots):
        result = shards.write_lot(job)
        shards.finish_lot(result)
        count += result["paintings"]
    return count


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.tfrecord-*")}


def test_schemes_built_together_or_alone_have_the_same_bytes(paintings, tmp_path):
    together = [target(tmp_path / "together", scheme, paintings) for scheme in SCHEMES]
    assert write(paintings, together, tmp_path) == 24
    for scheme in SCHEMES:
        write(paintings, [target(tmp_path / "alone", scheme, paintings)], tmp_path)
        alone = contents(tmp_path / "alone" / scheme.name)
        assert alone
        assert alone == contents(tmp_path / "together" / scheme.name)


def test_only_missing_shards_are_written_again_with_the_same_bytes(paintings, tmp_path):
    targets = [target(tmp_path / "out", scheme, paintings) for scheme in SCHEMES]
    write(paintings, targets, tmp_path)
    before = {scheme.name: contents(tmp_path / "out" / scheme.name) for scheme in SCHEMES}
    assert write(paintings, targets, tmp_path) == 0
    victims = list((tmp_path / "out" / "crop16x4").glob("*train*"))[:2]
    victims.append(next((tmp_path / "out" / "reshape32").glob("*test*")))
    for victim in victims:
        victim.unlink()
    assert 0 < write(paintings, targets, tmp_path) < 24
    assert {scheme.name: contents(tmp_path / "out" / scheme.name) for scheme in SCHEMES} == before


@pytest.mark.parametrize("fault", ["no receipt", "cut short", "damaged receipt", "receipt of another build"])
def test_a_shard_that_cannot_be_trusted_is_written_again(paintings, tmp_path, fault):
    made = target(tmp_path, SCHEMES[0], paintings)
    write(paintings, [made], tmp_path)
    before = contents(Path(made.folder))
    victim = sorted(before)[0]
    (receipt,) = (path for path in Path(made.folder).glob(".build/receipts/*.jsonl") if victim in path.read_text())
    if fault == "no receipt":
        receipt.unlink()
    elif fault == "cut short":
        (Path(made.folder) / victim).write_bytes(before[victim][:-1])
    elif fault == "damaged receipt":
        receipt.write_text(receipt.read_text()[:-9])
    else:
        receipt.write_text(receipt.read_text().replace(made.fingerprint, "other"))
    assert write(paintings, [made], tmp_path) > 0
    assert contents(Path(made.folder)) == before


def test_records_are_the_crops_of_their_paintings(paintings, tmp_path):
    made = target(tmp_path, SCHEMES[0], paintings)
    write(paintings, [made], tmp_path)
    works = {work.painting_id: work for work in all_works(paintings)}
    seen = set()
    for name, data in contents(Path(made.folder)).items():
        for _, payload in read_frames(io.BytesIO(data), name):
            record = decode_example(payload)
            work = works[record["painting_id"].decode()]
            assert f"-{work.split}." in name
            assert record["label"] == [work.label]
            assert record["source_size"] == [work.width, work.height]
            (index,) = record["crop_index"]
            painting = decode(Path(work.path).read_bytes())
            crop = list(cut(painting, SCHEMES[0], paintings.seed, work.digest))[index]
            assert tuple(record["crop_box"]) == crop.box
            assert record["image"] == crop.pixels.tobytes()
            seen.add((work.painting_id, index))
    assert len(seen) == 24 * 4


def test_records_of_a_shard_are_not_in_the_order_of_paintings(paintings, tmp_path):
    made = target(tmp_path, SCHEMES[0], paintings)
    write(paintings, [made], tmp_path)
    data = next(data for name, data in contents(Path(made.folder)).items() if "train" in name)
    ids = [decode_example(payload)["painting_id"] for _, payload in read_frames(io.BytesIO(data), "")]
    runs = 1 + sum(a != b for a, b in itertools.pairwise(ids))
    assert runs > len(set(ids))


@pytest.mark.parametrize("fault", ["gone", "damaged", "another picture"])
def test_a_painting_that_fails_late_becomes_a_reject(paintings, tmp_path, fault):
    works = list(paintings.works("train"))
    bad = works[1]
    content = Path(bad.path).read_bytes()
    try:
        if fault == "gone":
            Path(bad.path).unlink()
        else:
            other = content[:300] if fault == "damaged" else Path(works[2].path).read_bytes()
            Path(bad.path).write_bytes(other)
        targets = [target(tmp_path, scheme, paintings) for scheme in SCHEMES]
        write(paintings, targets, tmp_path)
    finally:
        Path(bad.path).write_bytes(content)
    for made in targets:
        receipts = list(shards.finished(made).values())
        (reject,) = [reject for receipt in receipts for reject in receipt.rejects]
        assert (reject.path, reject.artist) == (bad.path, bad.artist)
        assert "while shards were written" in reject.detail
        assert sum(receipt.shard.paintings for receipt in receipts) == 23
        assert sum(receipt.shard.records for receipt in receipts) == 23 * made.scheme.per_painting
        assert shards.losses(made) == [reject]
    whole = [target(tmp_path / "whole", scheme, paintings) for scheme in SCHEMES]
    write(paintings, whole, tmp_path)
    for made, wanted in zip(targets, whole, strict=True):
        shards.forget_losses(made)
        assert write(paintings, [made], tmp_path) > 0
        assert contents(Path(made.folder)) == contents(Path(wanted.folder))


def test_enlarged_paintings_are_counted(paintings, tmp_path):
    made = target(tmp_path, Crops(64, 1), paintings)
    write(paintings, [made], tmp_path)
    small = sum(min(work.width, work.height) < 64 for work in all_works(paintings))
    assert small > 0
    assert sum(receipt.enlarged for receipt in shards.finished(made).values()) == small


def test_a_place_that_cannot_be_reached_ends_a_lot_and_makes_no_reject(paintings, tmp_path, monkeypatch):
    def unreachable(self, path):
        raise StorageError("the store cannot be reached")

    monkeypatch.setattr(files.ReadAhead, "read", unreachable)
    with pytest.raises(StorageError, match="cannot be reached"):
        write(paintings, [target(tmp_path, Crops(16, 1), paintings)], tmp_path)


def test_the_receipts_of_a_lot_lie_in_one_file_and_stay_when_one_of_its_shards_is_written_again(paintings, tmp_path):
    targets = [target(tmp_path, SCHEMES[0], paintings), target(tmp_path, SCHEMES[1], paintings, most=2)]
    write(paintings, targets, tmp_path)
    folder = Path(targets[0].folder)
    receipts = {path.name: path.read_bytes() for path in folder.glob(".build/receipts/*")}
    assert len(receipts) < len(contents(folder)) == len(shards.finished(targets[0]))
    next(folder.glob("*train.tfrecord-00001*")).unlink()
    assert 0 < write(paintings, targets, tmp_path) < 24
    assert {path.name: path.read_bytes() for path in folder.glob(".build/receipts/*")} == receipts
