"""kagglehub itself runs here, against a local server in place of Kaggle's."""

import http.server
import io
import json
import subprocess
import sys
import threading
import zipfile
from dataclasses import dataclass, field

import pytest

from pipeline import download
from pipeline.gallery.find import find_gallery

kaggle_env = pytest.importorskip("kagglesdk.kaggle_env", reason="kagglehub, an optional dependency, is not installed")
pytest.importorskip("kagglehub")


def archive() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        file.writestr("artists.csv", "name\nTitian\nRaphael\n")
        file.writestr("images/images/Titian/Titian_1.jpg", b"1" * 2_000_000)
        file.writestr("images/images/Raphael/Raphael_1.jpg", b"2" * 2_000_000)
        file.writestr("resized/resized/Titian_1.jpg", b"1")
    return stream.getvalue()


@dataclass
class Kaggle:
    """What the server does, and what was asked of it."""

    status: int = 200
    breaks_after: int | None = None  # bytes of the archive
    content: bytes = field(default_factory=archive)
    ranges: list[str | None] = field(default_factory=list)


@pytest.fixture
def kaggle(monkeypatch, tmp_path):
    state = Kaggle()

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            if state.status != 200:
                self.answer(state.status, json.dumps({"code": state.status, "message": "no"}).encode())
            elif self.path.endswith("/GetDataset"):
                self.answer(200, json.dumps({"currentVersionNumber": 3}).encode())
            else:
                self.send_response(302)
                self.send_header("Location", "/archive.zip")
                self.send_header("Content-Length", "0")
                self.end_headers()

        def do_GET(self):
            state.ranges.append(self.headers.get("Range"))
            start = int(self.headers.get("Range", "bytes=0-")[6:-1])
            self.send_response(206 if start else 200)
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Type", "application/zip")
            self.send_header("Content-Length", str(len(state.content) - start))
            self.end_headers()
            self.wfile.write(state.content[start : state.breaks_after])

        def answer(self, status, body):
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        point_at(server.server_port, monkeypatch, tmp_path)
        yield state
        server.shutdown()


def point_at(port: int, monkeypatch, tmp_path) -> None:
    """Sends kagglehub to a local port, without anyone's credentials or proxy."""
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "LOCALHOST")
    monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.LOCAL, f"http://127.0.0.1:{port}")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("KAGGLEHUB_CACHE", "overwritten by the call, restored after the test")


def test_the_paintings_come_as_the_build_wants_them(kaggle, tmp_path, capsys):
    output = tmp_path / "art"
    assert download.main([f"--output={output}"]) == 0
    assert sorted(path.name for path in output.iterdir()) == ["artists.csv", "images", "resized"]
    found = find_gallery(str(output))
    assert found.layout == "kaggle"
    assert [artist.name for artist in found.artists] == ["Raphael", "Titian"]
    assert f"python -m pipeline.build --data_dir={output} --crop=64 --samples=16" in capsys.readouterr().out


def test_a_second_call_downloads_nothing(kaggle, tmp_path):
    assert download.main([f"--output={tmp_path / 'art'}"]) == 0
    assert download.main([f"--output={tmp_path / 'art'}"]) == 0
    assert len(kaggle.ranges) == 1


def test_a_broken_download_goes_on_where_it_stopped(kaggle, tmp_path, capsys):
    kaggle.breaks_after = 3_000_000
    assert download.main([f"--output={tmp_path / 'art'}"]) == 1
    assert "the same command again: it resumes where it stopped" in capsys.readouterr().err
    kaggle.breaks_after = None
    assert download.main([f"--output={tmp_path / 'art'}"]) == 0
    first, _, resumed = kaggle.ranges  # kagglehub asks for the whole, sees how much it has, and asks for the rest
    assert first is None
    assert 0 < int(resumed.removeprefix("bytes=").removesuffix("-")) <= 3_000_000
    assert (tmp_path / "art/images/images/Raphael/Raphael_1.jpg").read_bytes() == b"2" * 2_000_000


def test_a_call_killed_while_putting_files_in_place_is_finished_by_the_next(kaggle, tmp_path, monkeypatch):
    output = tmp_path / "art"
    rename, renamed = download.Path.rename, []

    def killed_at_the_second(path, target):
        if renamed:
            raise KeyboardInterrupt
        renamed.append(target)
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(download.Path, "rename", killed_at_the_second)
        assert download.main([f"--output={output}"]) == 130
    assert download.main([f"--output={output}"]) == 0
    assert sorted(path.name for path in output.iterdir()) == ["artists.csv", "images", "resized"]
    assert len(kaggle.ranges) == 1


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (401, "Create a token at https://www.kaggle.com/settings"),
        (403, "If Kaggle asks for consent to the set's terms"),
        (404, "Kaggle has no dataset ikarus777/best-artworks-of-all-time any more"),
        (429, "Kaggle asks to wait"),
        (500, "Kaggle answered with an error"),
    ],
)
def test_a_refusal_says_what_to_do(kaggle, tmp_path, capsys, status, sentence):
    kaggle.status = status
    assert download.main([f"--output={tmp_path / 'art'}"]) == 1
    assert sentence in capsys.readouterr().err


def test_a_damaged_archive_is_said(kaggle, tmp_path, capsys):
    kaggle.content = b"no archive at all"
    assert download.main([f"--output={tmp_path / 'art'}"]) == 1
    said = capsys.readouterr().err
    assert "kagglehub failed: Unsupported archive type" in said
    assert f"delete {tmp_path / 'art/.kagglehub'} first" in said


def test_no_network_is_said_with_the_way_by_hand(monkeypatch, tmp_path, capsys):
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        port = server.server_port
    point_at(port, monkeypatch, tmp_path)  # where nobody listens any more
    assert download.main([f"--output={tmp_path / 'art'}"]) == 1
    said = capsys.readouterr().err
    assert "Kaggle cannot be reached" in said
    assert "download the archive from https://www.kaggle.com/datasets/ikarus777/best-artworks-of-all-time" in said


def test_without_kagglehub_the_command_to_install_it_is_said(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    assert download.main([f"--output={tmp_path / 'art'}"]) == 1
    assert "Run: pip install kagglehub" in capsys.readouterr().err


def test_a_folder_with_other_things_in_it_is_left_alone(tmp_path, capsys):
    (tmp_path / "diary.txt").write_text("mine")
    assert download.main([f"--output={tmp_path}"]) == 1
    assert download.main([f"--output={tmp_path / 'diary.txt'}"]) == 1
    said = capsys.readouterr().err
    assert "holds other files. Pass a new folder" in said
    assert "diary.txt is a file. Pass a new folder" in said
    assert [path.name for path in tmp_path.iterdir()] == ["diary.txt"]


def test_a_notebooks_own_copy_is_used_where_it_lies(monkeypatch, tmp_path, capsys):
    attached = tmp_path / "kaggle/input/art"
    attached.mkdir(parents=True)
    monkeypatch.setattr("kagglehub.dataset_download", lambda handle: str(attached))
    monkeypatch.setenv("KAGGLEHUB_CACHE", "restored after the test")
    assert download.main([f"--output={tmp_path / 'art'}"]) == 0
    assert f"--data_dir={attached}" in capsys.readouterr().out


def test_help_imports_nothing_heavy():
    code = "import sys; from pipeline import download\ntry: download.main(['--help'])\nexcept SystemExit: pass\n"
    code += "assert not {'kagglehub', 'requests', 'numpy', 'apache_beam', 'tensorflow'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "--output DIR" in done.stdout
