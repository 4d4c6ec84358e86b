"""What a phase hands over is what the next one reads, and nothing that can run."""

from pipeline import handover
from pipeline.dataset.contract import Artist
from pipeline.dataset.rejects import CONFLICT, DAMAGED, Reject
from pipeline.dataset.schemes import Grid
from pipeline.gallery.find import Candidate, Gallery
from pipeline.plan import Plan, Work
from pipeline.shards import Target

REJECTS = (Reject("c\udcff.jpg", "", DAMAGED, "x"), Reject("d.jpg", "Ada", CONFLICT, ""))


def work(name: str, split: str) -> Work:
    return Work(name, f"/g/{name}.jpg", "Ada", 0, split, name * 4, name, ("/g/copy.jpg",), 40, 30, 999)


def test_a_gallery_is_handed_over_whole(tmp_path):
    gallery = Gallery(
        "/g", "folders", (Candidate("/g/é.jpg", "Ada", 9, 1.6e9 + 0.1),), REJECTS, (Artist("Ada", "1"),), ("a note",)
    )
    handover.write_gallery(tmp_path, gallery)
    assert handover.read_gallery(tmp_path) == gallery


def test_a_plan_is_handed_over_whole_and_its_rejects_are_the_last(tmp_path):
    works = {"train": (work("b", "train"), work("a", "train")), "validation": (), "test": (work("c", "test"),)}
    plan = Plan((Artist("Ada"),), works, REJECTS[1:], -3)
    targets = (Target(Grid(32), "raw", "/d/grid32/1.0.0", {"train": 2, "validation": 0, "test": 1}, "ab"),)
    abouts = ({"manifest": None, "versions": {"pillow": "12"}},)
    handover.write_plan(tmp_path, plan, targets, abouts, REJECTS)
    assert handover.read_plan(tmp_path) == handover.Decided(plan, targets, abouts, REJECTS)
