"""A picture that takes too long, or too much, ends nothing but its own process."""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import subprocess
import sys
import time
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest

from pipeline.dataset.rejects import DAMAGED, OUT_OF_MEMORY, TOOK_TOO_LONG
from pipeline.errors import MorelliError
from pipeline.pictures import guard
from pipeline.pictures.fault import ImageError
from pipeline.pictures.guard import Limits
from pipeline.workers.guarded import GuardedPool

ROOT = Path(__file__).parents[3]
TIME = Limits(seconds=0.2, mib=64)


def work_on(name: str) -> str:
    """As a step does: what becomes of a picture."""
    try:
        with guard.watching(name):
            if name.startswith("endless"):
                while True:
                    pass
            if name.startswith("crash"):
                ctypes.string_at(0)
            if name.startswith("huge"):
                bytearray(256 << 20)
            if name.startswith("killed"):
                os.kill(os.getpid(), signal.SIGKILL)
            if name.startswith("wrong"):
                raise ValueError(name)
        return "sound"
    except ImageError as error:
        return error.reason
    except MemoryError:
        return "refused"


def leave(status: int) -> None:
    """Ends the process, and no picture is to blame."""
    time.sleep(0.1)
    os._exit(status)


@pytest.fixture
def pool():
    with GuardedPool(2, TIME) as pool:
        yield pool


def test_a_picture_without_end_becomes_a_reject_and_all_other_work_is_done(pool: GuardedPool) -> None:
    names = [*(f"sound {number}" for number in range(20)), "endless 1", "sound 20", "endless 2", "crash", "sound 21"]
    found = dict(
        zip(names, [future.result() for future in [pool.submit(work_on, name) for name in names]], strict=True)
    )
    assert found.pop("endless 1") == found.pop("endless 2") == TOOK_TOO_LONG
    assert found.pop("crash") == DAMAGED
    assert set(found.values()) == {"sound"}


def test_it_is_not_touched_again(pool: GuardedPool) -> None:
    assert pool.submit(work_on, "endless").result() == TOOK_TOO_LONG
    generation = pool._generation
    assert pool.submit(work_on, "endless").result() == TOOK_TOO_LONG
    assert pool._generation == generation


def test_memory_beyond_the_limit_is_refused_and_the_process_lives(pool: GuardedPool) -> None:
    assert pool.submit(work_on, "huge").result() == "refused"
    assert pool.submit(bytes, 256 << 20).result()  # outside of pictures nothing is limited
    assert pool._generation == 0


def test_what_work_raises_is_passed_on(pool: GuardedPool) -> None:
    with pytest.raises(ValueError, match="wrong one"):
        pool.submit(work_on, "wrong one").result()


def test_a_process_that_ends_by_itself_is_no_pictures_fault(pool: GuardedPool) -> None:
    with pytest.raises(BrokenProcessPool):
        pool.submit(leave, 3).result()


def test_a_picture_is_blamed_for_a_kill_only_where_that_is_wanted(pool: GuardedPool) -> None:
    with GuardedPool(1, TIME, blame_kills=True) as blaming:
        assert blaming.submit(work_on, "killed").result() == OUT_OF_MEMORY
        assert blaming.submit(work_on, "sound").result() == "sound"
    with pytest.raises(BrokenProcessPool):
        pool.submit(work_on, "killed").result()


def test_nothing_is_left_behind() -> None:
    with GuardedPool(1, TIME) as pool:
        assert pool.submit(work_on, "endless").result() == TOOK_TOO_LONG
        notes = Path(pool._notes)
        assert notes.is_dir()
    assert not notes.exists()


HOLDER = """
import time
from pipeline.pictures.guard import Limits
from pipeline.workers.guarded import GuardedPool
if __name__ == "__main__":
    pool = GuardedPool(1, Limits())
    assert pool.submit(len, "abc").result() == 3
    print(pool._notes, flush=True)
    time.sleep(600)
"""


def test_whoever_is_killed_leaves_nothing_behind(tmp_path: Path) -> None:
    script = tmp_path / "holder.py"
    script.write_text(HOLDER)
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout
        notes = Path(process.stdout.readline().strip())
        assert notes.is_dir()
        process.kill()
    deadline = time.monotonic() + 120
    while notes.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def full(*_: object, **__: object) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_no_room_for_notes_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(MorelliError, match=r"no room for the notes.*TMPDIR"):
        GuardedPool(2, TIME)


def test_a_note_needs_no_more_room_once_work_has_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "_Guard", type("_Guard", (), {}))
    guard.install(TIME, str(tmp_path), {})
    (note,) = tmp_path.iterdir()
    size = note.stat().st_size
    with guard.watching("x" * 4096):
        assert guard.read_note(str(tmp_path), os.getpid()) == "x" * 4096
    assert guard.read_note(str(tmp_path), os.getpid()) == ""
    assert note.stat().st_size == size
    os.close(guard._Guard.note)


def test_who_holds_no_pool_is_not_limited() -> None:
    assert work_on("huge") == "sound"
    assert guard.memory_for(100_000_000) > 3000
    guard.check_file_size(1 << 20, 1000)
    with pytest.raises(ImageError, match="too many bytes"):
        guard.check_file_size(1 << 40, 100_000_000)
