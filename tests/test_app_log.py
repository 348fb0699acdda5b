"""The app's own log: tracebacks, private and small, safe for several processes, and never in the way."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from imgexp_tui import app_log


@pytest.fixture(autouse=True)
def _fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(app_log, "_written", {})


def raised(message: str) -> ValueError:
    try:
        raise ValueError(message)
    except ValueError as error:
        return error


def test_an_entry_has_the_traceback_and_is_private(tmp_path: Path) -> None:
    app_log.log_error("the rule starved failed", raised("no such loss"))
    path = app_log.log_path()
    assert path == tmp_path / "state" / "imgexp-tui" / "app.log"
    text = path.read_text()
    assert re.match(r"\d{4}-\d\d-\d\dT\S+ \S+\[\d+\]: the rule starved failed\n  Traceback \(most recent", text)
    assert 'test_app_log.py", line' in text and text.endswith("  ValueError: no such loss\n")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_untrusted_text_is_cleaned_and_cannot_forge_an_entry() -> None:
    app_log.log_error("run \x1b[2J\n2026", raised("bad\x1b]0;title\x07 name \ud800\n2026-01-01T forged"))
    text = app_log.log_path().read_text()
    assert "\x1b" not in text and "\x07" not in text
    assert [line for line in text.splitlines() if line.startswith("2026-01")] == []


def test_the_same_error_is_written_once_in_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    error = raised("again")
    for _ in range(3):
        app_log.log_error("poll failed", error)
    app_log.log_error("poll failed", raised("another"))
    assert app_log.log_path().read_text().count("poll failed") == 2
    monkeypatch.setattr(app_log, "_REPEAT_INTERVAL", 0.0)
    app_log.log_error("poll failed", error)
    assert app_log.log_path().read_text().count("poll failed") == 3


def test_it_is_rotated_and_stays_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_log, "_MAX_BYTES", 4000)
    for number in range(60):
        app_log.log_error(f"failure {number}", raised(str(number)))
    folder = app_log.log_path().parent
    logs = sorted(path.name for path in folder.iterdir() if path.name != "app.log.lock")
    assert logs == ["app.log", "app.log.1", "app.log.2"]
    assert all((folder / name).stat().st_size <= 4000 for name in logs)
    assert "failure 59" in (folder / "app.log").read_text()


def test_processes_that_write_and_rotate_lose_no_entry() -> None:
    code = """
import sys
from imgexp_tui import app_log
app_log._MAX_BYTES, app_log._BACKUPS = 3000, 200
app_log._LOCK_TIMEOUT = 60.0
for number in range(30):
    app_log.log_error(f"entry {sys.argv[1]}-{number};", ValueError("x" * 100))
"""
    writers = [subprocess.Popen([sys.executable, "-c", code, str(n)]) for n in range(4)]
    assert [writer.wait(60) for writer in writers] == [0] * 4
    files = [path for path in app_log.log_path().parent.iterdir() if path.name != "app.log.lock"]
    assert len(files) > 3
    lines = [line for path in files for line in path.read_text().splitlines()]
    heads = [match[1] for line in lines if (match := re.search(r"\]: entry (\S+);$", line))]
    assert sorted(heads) == sorted(f"{n}-{number}" for n in range(4) for number in range(30))
    assert {line for line in lines if not re.search(r"\]: entry \S+;$", line)} == {"  ValueError: " + "x" * 100}


@pytest.mark.parametrize("block", ["file", "directory", "full"])
def test_a_state_folder_that_cannot_be_written_breaks_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: str
) -> None:
    if block == "file":  # a file where the folder should be: refused to root too
        (tmp_path / "state").write_text("")
    elif block == "directory":
        app_log.log_path().mkdir(parents=True)
    else:

        def full(fd: int, data: bytes) -> int:
            raise OSError(28, os.strerror(28))

        monkeypatch.setattr(app_log.os, "write", full)
    app_log.log_error("poll failed", raised("x"))


def test_without_a_home_there_is_no_log(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(app_log, "state_home", homeless)
    app_log.log_error("poll failed", raised("x"))


def test_an_error_that_cannot_say_what_it_is_is_logged_all_the_same() -> None:
    class Odd(Exception):
        def __str__(self) -> str:
            raise TypeError("no text")

    app_log.log_error("poll failed", Odd())
    assert "Odd" in app_log.log_path().read_text()


def test_what_ends_a_process_or_a_thread_is_logged_and_printed() -> None:
    code = """
import threading
from imgexp_tui.app_log import log_uncaught
log_uncaught()
thread = threading.Thread(target=lambda: 1 / 0, name="drafts")
thread.start(); thread.join()
raise ValueError("the end")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "ZeroDivisionError" in done.stderr and "ValueError: the end" in done.stderr
    log = app_log.log_path().read_text()
    assert "the thread drafts ended" in log and "ZeroDivisionError" in log
    assert "the process failed" in log and "ValueError: the end" in log


def test_the_doctor_names_the_log() -> None:
    from imgexp_tui.cli import doctor

    assert doctor._check_log() == ("ok", "log", f"{app_log.log_path()}: the errors that the app survived")
