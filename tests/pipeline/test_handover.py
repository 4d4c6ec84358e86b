"""What a phase hands over is what the next one reads, and nothing that can run."""

from dataclasses import replace

from pipeline import handover
from pipeline.dataset.contract import Artist
from pipeline.dataset.rejects import CONFLICT, DAMAGED, Reject
from pipeline.dataset.schemes import Grid
from pipeline.gallery.find import Candidate, Gallery
from pipeline.plan.work import Plan
from pipeline.shards import Target

REJECTS = (Reject("c\udcff.jpg", "", DAMAGED, "x"), Reject("d.jpg", "Ada", CONFLICT, ""))


def test_a_gallery_is_handed_over_whole(tmp_path):
    gallery = Gallery(
        "/g", "folders", (Candidate("/g/é.jpg", "Ada", 9, 1.6e9 + 0.1),), REJECTS, (Artist("Ada", "1"),), ("a note",)
    )
    handover.write_gallery(tmp_path, gallery)
    assert replace(handover.read_gallery(tmp_path), candidates=gallery.candidates) == gallery
    assert tuple(handover.read_candidates(tmp_path)) == gallery.candidates


def test_a_plan_is_handed_over_whole(tmp_path):
    counts = {"train": (2,), "validation": (0,), "test": (1,)}
    plan = Plan((Artist("Ada"),), -3, counts, 1, 2, 1, 0, (), 1, {split: (f"/s/{split}.jsonl",) for split in counts})
    targets = (Target(Grid(32), "raw", "/d/grid32/1.0.0", {"train": 2, "validation": 0, "test": 1}, "ab"),)
    decided = handover.Decided(plan, targets, ({"manifest": None, "versions": {"pillow": "12"}},), REJECTS)
    handover.write_plan(tmp_path, decided)
    assert handover.read_plan(tmp_path) == decided
