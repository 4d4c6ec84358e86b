"""Streams bear any text, and let through what is for programs."""

import io
import os
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.terminal import streams


@pytest.fixture(params=["ascii", "latin-1", "utf-8"])
def stdout(request, monkeypatch):
    def put() -> io.TextIOWrapper:
        stream = io.TextIOWrapper(io.BytesIO(), encoding=request.param, errors="strict")
        monkeypatch.setattr(sys, "stdout", stream)
        streams.prepare()
        return stream

    return put


def test_any_name_can_be_said_on_any_terminal(stdout):
    stream = stdout()
    streams.say("Łucja Dürer, b\udcffd.jpg, 葛飾")
    shown = stream.buffer.getvalue()
    assert shown.decode(stream.encoding).endswith("\n")
    assert b"\\udcff" in shown


def test_a_path_for_programs_leaves_as_it_came_and_what_the_encoding_lacks_is_escaped(stdout):
    stream = stdout()
    streams.pass_paths()
    print(os.fsdecode(b"b\xffd.jpg"), "Ł", end="", flush=True)
    last = "Ł".encode(stream.encoding, "backslashreplace")
    assert stream.buffer.getvalue() == b"b\xffd.jpg " + last


@given(st.text())
def test_nothing_that_is_printed_gives_orders_to_a_terminal(text):
    shown = streams.printable(text)
    assert not any((char < " " and char not in "\t\n") or "\x7f" <= char <= "\x9f" for char in shown)
    assert "\n" not in streams.name(text)


def test_joiners_and_line_breaks_of_a_text_stay():
    assert streams.printable("می\u200cخواهم\nශ්\u200dරී") == "می\u200cخواهم\nශ්\u200dරී"
    assert streams.printable("\x1b[31mred\u202e") == "\\x1b[31mred\\u202e"
    assert streams.name("a\nb\tc.jpg") == "a\\nb\\tc.jpg"
