"""The dataset card: what it says is what the dataset holds, and nothing in it is markup that came from outside."""

import base64
import dataclasses
import html
import io
import os
import re
import shutil
import subprocess
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipeline import card
from pipeline.dataset.contract import CARD_FILE
from pipeline.dataset.dataset import Dataset
from pipeline.dataset.example import decode_example
from pipeline.dataset.frames import read_frames
from pipeline.dataset.paintings import PAINTINGS_FILE, PaintingRow, paintings_table
from pipeline.dataset.rejects import REJECTS_FILE
from pipeline.dataset.schemes import parse_scheme
from pipeline.errors import DamagedShardError
from tests.datasets import ARTISTS, make_dataset

HOSTILE = '<script>alert("x")<_script>&'


class Page(HTMLParser):
    """The tags, attributes and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        assert self.open == [], "every element is closed"

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text += data


def every_record(folder, contract):
    """(split, shard number, record) of a dataset."""
    for split, shards in contract.splits.items():
        for number, shard in enumerate(shards):
            with (Path(folder) / shard.filename).open("rb") as stream:
                for _, payload in read_frames(stream, shard.filename):
                    yield split, number, decode_example(payload)


def seal(folder, scheme="crop32x2", encoding="raw", rejects=(), copies=None, groups=None, dedup="near"):
    """A small dataset with the tables that a card is made from; returns its folder and contract.

    `copies` and `groups` are by a painting's number.
    """
    dataset = make_dataset(folder, scheme=scheme, encoding=encoding)
    build = {"data_dir": "/data/set", "dedup": dedup, "enlarged": 0, "command": "python -m pipeline.build"}
    contract = dataclasses.replace(Dataset.open(dataset).contract, build=build)
    rows = {
        record["painting_id"].decode(): (split, number, record["label"][0])
        for split, number, record in every_record(dataset, contract)
    }
    table = [
        PaintingRow(
            painting_id=name,
            path=f"/data/set/{number}.jpg",
            artist=contract.artists[label].name,
            label=label,
            split=split,
            shard=shard,
            records=contract.scheme.count(300 + number, 200 + number),
            digest=name,
            group=(groups or {}).get(number, name),
            copies=tuple((copies or {}).get(number, ())),
            width=300 + number,
            height=200 + number,
            bytes=1000,
        )
        for number, (name, (split, shard, label)) in enumerate(rows.items())
    ]
    (dataset / PAINTINGS_FILE).write_bytes(b"".join(paintings_table(table)))
    lines = ["path,artist,reason,detail", *(",".join(reject) for reject in rejects)]
    (dataset / REJECTS_FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(dataset), contract


@pytest.fixture(scope="module")
def sealed(tmp_path_factory):
    return seal(
        tmp_path_factory.mktemp("sealed"),
        rejects=[
            ("/data/set/a.jpg", "Ada", "truncated", "too early"),
            ("/data/set/b.jpg", "Ada", "empty file", "none"),
        ],
        copies={0: ["/data/set/again.jpg", "/data/set/once_more.jpg"]},
        groups={3: "alike", 4: "alike", 5: "alike"},
    )


@pytest.fixture(scope="module")
def page(sealed):
    card.write_card(*sealed)
    return (Path(sealed[0]) / CARD_FILE).read_text(encoding="utf-8")


def test_the_counts_are_those_of_the_dataset(sealed):
    folder, contract = sealed
    facts = card.gather(folder, contract)
    for at, split in enumerate(contract.splits):
        held = sum(shard.paintings for shard in contract.splits[split])
        assert sum(some.paintings[at] for some in facts.classes) == held
    assert facts.paintings == sum(some.paintings for some in facts.short_sides)
    assert facts.smallest == (300, 200)
    assert facts.largest == (300 + facts.paintings - 1, 200 + facts.paintings - 1)


def test_the_page_tells_numbers_copies_and_rejects(sealed, page):
    text = Page(page).text
    _, contract = sealed
    assert contract.fingerprint in text
    for split in contract.splits:
        assert f"{contract.records(split):,} records" in text
    assert "2 files were left out" in text
    assert "again.jpg" in text
    assert "3 paintings in 1 group" in text
    assert "truncated" in text
    assert "too early" in text
    assert "/data/set/a.jpg" not in text  # but relative to the folder that was built from


def test_samples_are_crops_of_the_artist_they_stand_under(sealed):
    folder, contract = sealed
    owners = {record["painting_id"].decode(): record["label"][0] for _, _, record in every_record(folder, contract)}
    for label, some in enumerate(card.gather(folder, contract).classes):
        assert len({sample.painting for sample in some.samples}) == len(some.samples) == card.MOST_SAMPLES
        assert {owners[sample.painting] for sample in some.samples} == {label}


@pytest.mark.parametrize(("scheme", "encoding"), [("crop64x2", "raw"), ("reshape128", "png"), ("crop32x2", "jpeg")])
def test_samples_are_small_pictures_whatever_the_encoding(tmp_path, scheme, encoding):
    facts = card.gather(*seal(tmp_path, scheme, encoding))
    side = min(parse_scheme(scheme).size, card.SAMPLE_SIDE)
    for some in facts.classes:
        for sample in some.samples:
            kind, _, data = sample.uri.partition(",")
            assert kind == "data:image/jpeg;base64"
            assert Image.open(io.BytesIO(base64.b64decode(data))).size == (side, side)


def test_names_and_paths_are_text_and_never_markup(tmp_path):
    path = f"/data/set/{HOSTILE}.jpg"
    quoted = '"' + path.replace('"', '""') + '"'
    rejects = [(quoted, "x", "not an image", "x")]
    text = card.render_card(card.gather(*seal(tmp_path, rejects=rejects, copies={1: [path]})))
    assert any("<" in artist.name for artist in ARTISTS)
    assert not {"script", "vermilion"} & {tag for tag, _ in Page(text).tags}
    assert html.unescape(text).count(f"{HOSTILE}.jpg") == 2


def test_the_page_asks_nothing_of_the_network(page):
    for _, attributes in Page(page).tags:
        for name in ("src", "href", "srcset", "action", "data"):
            assert (attributes.get(name) or "#").startswith(("#", "data:"))
    assert "url(" not in page
    assert "@import" not in page


def test_every_link_leads_somewhere_and_every_picture_is_described(page):
    tags = Page(page).tags
    ids = Counter(attributes["id"] for _, attributes in tags if "id" in attributes)
    assert set(ids.values()) == {1}
    assert {attributes["href"].removeprefix("#") for tag, attributes in tags if tag == "a"} <= ids.keys()
    assert all(attributes["alt"] for tag, attributes in tags if tag == "img")


def test_long_lists_are_cut_and_say_so(tmp_path):
    many = [(f"/data/set/{number}.jpg", "x", "truncated", "x") for number in range(card.MOST_REJECTS + 5)]
    facts = card.gather(*seal(tmp_path, rejects=many))
    assert facts.reasons == {"truncated": len(many)}
    assert len(facts.rejects) == card.MOST_REJECTS
    assert f"The first {card.MOST_REJECTS}; rejects.csv has all" in Page(card.render_card(facts)).text


def test_a_build_that_looked_for_no_copies_says_so(tmp_path):
    text = Page(card.render_card(card.gather(*seal(tmp_path, dedup="off")))).text
    assert "Copies were not looked for" in text


def test_a_contract_that_tells_nothing_of_its_build_gives_a_card_too(tmp_path):
    folder, contract = seal(tmp_path)
    card.write_card(folder, dataclasses.replace(contract, build={}))
    assert contract.fingerprint in (Path(folder) / CARD_FILE).read_text(encoding="utf-8")


def test_a_damaged_shard_is_named_and_no_card_is_written(tmp_path):
    folder, contract = seal(tmp_path)
    for shard in (shard for shards in contract.splits.values() for shard in shards):
        path = Path(folder) / shard.filename
        data = bytearray(path.read_bytes())
        data[20] ^= 1
        path.write_bytes(data)
    with pytest.raises(DamagedShardError, match="byte 0"):
        card.write_card(folder, contract)
    assert not (Path(folder) / CARD_FILE).exists()


placements = st.lists(
    st.tuples(st.tuples(st.sampled_from(["train", "test"]), st.integers(0, 20)), st.integers(0, 9)), max_size=200
)


@given(placements, st.integers(1, 6), st.integers(1, 8))
def test_every_artist_is_shown_and_few_shards_are_opened(placed, per_artist, most):
    rows = [(place, label, f"{number}") for number, (place, label) in enumerate(placed)]
    chosen = card.choose(rows, per_artist, most)
    where = {painting: (place, label) for place, label, painting in rows}
    shown = Counter(where[painting][1] for ids in chosen.values() for painting in ids)
    artists = {label for _, label, _ in rows}
    assert set(shown) == artists
    assert all(count <= per_artist for count in shown.values())
    assert all(where[painting][0] == place for place, ids in chosen.items() for painting in ids)
    assert len(chosen) <= max(most, len(artists))


@given(st.lists(st.integers(8, 100_000), min_size=1, max_size=50))
def test_the_histogram_counts_every_painting_once(sides):
    bins = card._histogram(np.array(sides))
    assert all(some.paintings == sum(some.low <= side < some.high for side in sides) for some in bins)
    assert sum(some.paintings for some in bins) == len(sides)
    assert bins[0].paintings
    assert bins[-1].paintings


@pytest.mark.skipif(not shutil.which("chromium"), reason="needs Debian's chromium")
@pytest.mark.parametrize("width", [500, 1200])
def test_a_browser_shows_every_picture_and_does_not_scroll_sideways(page, tmp_path, width):
    """The page forbids scripts; its copy for this test drops that rule, and measures itself."""
    probe = (
        "<script>onload = () => { document.title = [document.documentElement.scrollWidth <= innerWidth, "
        "[...document.images].filter(image => image.naturalWidth > 0).length].join() }</script>"
    )
    open_page = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page).replace('loading="lazy"', "")
    copy = tmp_path / "card.html"
    copy.write_text(open_page.replace("</body>", f"{probe}</body>"), encoding="utf-8")
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", f"--window-size={width},900", "--dump-dom", copy.as_uri()]
    result = subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=True, env={**os.environ, "HOME": str(tmp_path)}
    )
    assert f"<title>true,{page.count('<img')}</title>" in result.stdout


def test_a_card_says_what_files_alone_tell(tmp_path):
    text = card.render_card(card.gather(*seal(tmp_path)))
    assert "What files alone tell" in text
    assert "bytes per pixel" in text
