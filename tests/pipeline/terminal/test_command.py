"""However a command ends: a status that shells know, one line, and nothing left behind."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.terminal import command
from pipeline.terminal.streams import say


def test_work_that_is_done_is_status_0():
    assert command.run(lambda: None) == 0


def test_the_status_that_work_returns_or_exits_with_is_kept(capsys):
    assert command.run(lambda: 3) == 3
    assert command.run(lambda: sys.exit(2)) == 2
    assert command.run(lambda: sys.exit()) == 0
    assert command.run(lambda: sys.exit("what is wrong")) == 1
    assert capsys.readouterr().err == "error: what is wrong\n"


def test_a_fault_is_one_sentence_and_status_1(capsys):
    def work():
        raise InputError("The folder art\x1b]0;owned\x07 is empty.")

    assert command.run(work) == 1
    assert capsys.readouterr().err == "error: The folder art\\x1b]0;owned\\x07 is empty.\n"


def test_a_fault_of_the_system_is_a_sentence_too(tmp_path, capsys):
    assert command.run(lambda: len((tmp_path / "none").read_bytes())) == 1
    assert capsys.readouterr().err == f"error: {tmp_path / 'none'}: No such file or directory\n"


@pytest.mark.parametrize(
    ("number", "status", "line"),
    [
        (signal.SIGINT, 130, "Stopped by Ctrl-C. The same command resumes from here.\n"),
        (signal.SIGTERM, 143, "Stopped by SIGTERM. The same command resumes from here.\n"),
        (signal.SIGHUP, 129, "Stopped by SIGHUP. The same command resumes from here.\n"),
    ],
)
def test_a_signal_is_one_line_and_leaves_no_scratch_folder(tmp_path, capsys, number, status, line):
    before = signal.getsignal(number)

    def work():
        with tempfile.TemporaryDirectory(dir=tmp_path):
            os.kill(os.getpid(), number)
            threading.Event().wait(30)

    assert command.run(work, command.RESUMES) == status
    assert capsys.readouterr().err == line
    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(number) == before


def test_a_signal_that_a_library_swallows_ends_the_command_all_the_same(capsys):
    def work():
        try:
            os.kill(os.getpid(), signal.SIGINT)
            threading.Event().wait(30)
        except KeyboardInterrupt:
            return

    assert command.run(work) == 130
    assert capsys.readouterr().err == "Stopped by Ctrl-C.\n"


def test_what_a_library_makes_of_a_signal_is_no_fault(capsys):
    def work():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            threading.Event().wait(30)
        except KeyboardInterrupt as error:
            raise RuntimeError("Error calling __set_name__") from error

    assert command.run(work) == 143
    assert capsys.readouterr().err == "Stopped by SIGTERM.\n"


def test_a_fault_in_the_program_is_not_hidden():
    with pytest.raises(ZeroDivisionError):
        command.run(lambda: 1 // 0)


def test_what_nohup_ignores_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert command.run(lambda: os.kill(os.getpid(), signal.SIGHUP)) == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_main_returns_its_status():
    @command.command()
    def main(argv=None):
        say(f"got {argv}")
        raise InputError("no")

    assert main(["a"]) == 1


ENDLESS = (
    "import sys; from pipeline.terminal.command import run; from pipeline.terminal.streams import say\n"
    "def work():\n    while True: say('line')\n"
    "sys.exit(run(work))"
)
ANY = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}


def test_a_reader_who_leaves_ends_a_command_without_a_word():
    process = subprocess.Popen([sys.executable, "-c", ENDLESS], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ANY)
    assert process.stdout.readline() == b"line\n"
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 128 + signal.SIGPIPE


def test_a_full_disk_below_stdout_is_a_sentence():
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-c", ENDLESS], stdout=full, stderr=subprocess.PIPE, text=True, env=ANY)
    assert done.returncode == 1
    assert done.stderr == "error: [Errno 28] No space left on device\n"


def test_closed_streams_do_no_harm_and_lend_their_numbers_to_no_file(tmp_path):
    code = (
        "import sys; from pipeline.terminal.command import run; from pipeline.terminal.streams import complain, say\n"
        "def work():\n"
        f"    file = open({str(tmp_path / 'file')!r}, 'w'); assert file.fileno() > 2\n"
        "    say('out'); complain('err'); file.write('mine')\n"
        "sys.exit(run(work))"
    )
    done = subprocess.run(["sh", "-c", f'exec "{sys.executable}" -c "$0" 0<&- 1>&- 2>&-', code], env=ANY)
    assert done.returncode == 0
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_while_a_command_is_still_being_imported_is_one_line(number, status):
    code = (
        "import os, sys; sys.argv[0] = '-m'\n"  # as Python says it while it imports the package of a module to run
        "import trainer\n"
        "sys.argv[0] = 'trainer/main.py'\n"
        f"os.kill(os.getpid(), {number:d})"
    )
    done = subprocess.run([sys.executable, "-c", code], env=ANY, stderr=subprocess.PIPE, text=True)
    assert done.returncode == status
    assert done.stderr.startswith("Stopped by ")
    assert done.stderr.count("\n") == 1


def test_a_program_that_imports_the_packages_keeps_its_signals():
    code = (
        "import signal\nbefore = [signal.getsignal(number) for number in (2, 15, 1)]\nimport pipeline, trainer\n"
        "assert before == [signal.getsignal(number) for number in (2, 15, 1)]"
    )
    subprocess.run([sys.executable, "-c", code], env=ANY, check=True)
