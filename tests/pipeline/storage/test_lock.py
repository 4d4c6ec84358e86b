"""One command at a time in a folder."""

import os
import subprocess
import sys
import threading

import pytest

from pipeline.errors import StorageError
from pipeline.storage.lock import LOCK_FILE, exclusive


def test_a_second_build_is_refused_until_the_first_ends(tmp_path):
    with exclusive(str(tmp_path)), pytest.raises(StorageError, match="Another build"), exclusive(str(tmp_path)):
        pass
    with exclusive(str(tmp_path)):
        pass


def test_who_holds_the_folder_is_named_and_the_flag_that_leads_elsewhere(tmp_path):
    with (
        exclusive(tmp_path),
        pytest.raises(StorageError, match=rf"Another trainer .*process {os.getpid()}\).* pass another --run_dir"),
        exclusive(tmp_path, "Another trainer", "--run_dir"),
    ):
        pass


def test_who_waits_gets_the_folder_when_it_is_free(tmp_path):
    order = []

    def second():
        with exclusive(tmp_path, wait=True):
            order.append("second")

    with exclusive(tmp_path):
        waiting = threading.Thread(target=second)
        waiting.start()
        waiting.join(0.2)
        order.append("first")
    waiting.join(30)
    assert order == ["first", "second"]


def test_a_process_that_is_given_the_lock_holds_it_to_its_own_end(tmp_path):
    with exclusive(tmp_path) as lock:
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=lock)
    with pytest.raises(StorageError, match="is writing into"), exclusive(tmp_path):
        pass
    child.communicate(b"\n")
    with exclusive(tmp_path):
        pass


@pytest.mark.parametrize("where", ["file", "file/below"])
def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path, where):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StorageError, match="Nothing can be written to"), exclusive(str(tmp_path / where)):
        pass
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_what_a_lock_leads_to_is_not_touched(tmp_path, link):
    (tmp_path / "precious").write_text("years of work")
    (tmp_path / "folder").mkdir()
    link(tmp_path / "precious", tmp_path / "folder" / LOCK_FILE)
    with pytest.raises(StorageError, match="Delete it"), exclusive(tmp_path / "folder"):
        pass
    assert (tmp_path / "precious").read_text() == "years of work"
