"""How far work is: a bar on a terminal, a plain line now and then elsewhere."""

import io
import sys

import pytest

from pipeline.terminal.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def at_a_terminal(monkeypatch) -> io.StringIO:
    monkeypatch.setattr(sys, "stderr", Terminal())
    return sys.stderr


def test_elsewhere_a_last_line_says_how_much_was_done(capsys):
    with Progress("survey", 1200) as progress:
        progress.add(1200)
    assert capsys.readouterr().err.startswith("survey: 1,200 of 1,200 paintings, 0.")


def test_elsewhere_a_line_comes_now_and_then(capsys):
    with Progress("epoch 1/3", 8, "step", every=0, stays=False, done=2) as progress:
        progress.reach(3, "loss 1.5")
        progress.reach(4)
    first, second = capsys.readouterr().err.splitlines()
    assert first == "epoch 1/3: 3 of 8 steps, loss 1.5"
    assert second.startswith("epoch 1/3: 4 of 8 steps, ")
    assert "/s, " in second
    assert second.endswith(" s left")


def test_shares_are_told_in_percent(capsys):
    with Progress("experiments", 1, "", every=0, stays=False) as progress:
        progress.reach(0.25, "about 3 min left", "first, epoch 1 of 4")
    assert capsys.readouterr().err == "first, epoch 1 of 4: 25% done, about 3 min left\n"


def test_after_a_fault_nothing_is_called_done(capsys):
    with pytest.raises(RuntimeError), Progress("survey", 12):
        raise RuntimeError
    assert capsys.readouterr().err == ""


def test_the_quiet_one_says_nothing(monkeypatch):
    terminal = at_a_terminal(monkeypatch)
    with Progress("epoch", 3, "step", every=0, quiet=True) as progress:
        progress.add(3)
    assert terminal.getvalue() == ""


def test_a_terminal_shows_a_bar_which_goes_when_it_need_not_stay(monkeypatch, capsys):
    terminal = at_a_terminal(monkeypatch)
    with Progress("survey", 4, stays=False) as progress:
        progress.reach(4, "loss 1.5")
        progress.say("a line that stays")
    assert "survey" in terminal.getvalue()
    assert terminal.getvalue().endswith("\r")
    assert capsys.readouterr().out == "a line that stays\n"


def test_without_a_stream_work_goes_on(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    with Progress("survey", 4, every=0) as progress:
        progress.add(4)
