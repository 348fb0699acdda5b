"""Copying: to the terminal, to tmux whatever its setting, and always to a file; what cannot go somewhere is said."""

from __future__ import annotations

import base64
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.app import App
from textual.pilot import Pilot

from imgexp_tui import paths
from imgexp_tui.services import clipboard
from tests.conftest import NewLab
from tests.helpers import until, wait_until
from tests.support.editor_app import PROGRAM, EditorApp, opened
from tests.support.pty_terminal import Terminal

TEXT = "-one 数据\n-two"


@pytest.fixture
def lab(new_lab: NewLab) -> Path:
    return new_lab(f"[versions.v0]\ntakeaways = '''\n{TEXT}'''\n")


def kept(lab: Path) -> Path:
    return paths.lab_state(lab) / "clipboard.txt"


def told(app: App[None]) -> list[str]:
    return [one.message for one in app._notifications]


async def copied(pilot: Pilot[None], app: EditorApp, count: int) -> list[str]:
    await until(pilot, lambda: len(told(app)) == count, "the notification")
    return told(app)


@pytest.fixture(autouse=True)
def no_tmux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TMUX", raising=False)


async def test_what_is_copied_is_also_in_a_file_for_its_owner_only(lab: Path) -> None:
    app = EditorApp(lab)
    async with app.run_test() as pilot:
        await opened(pilot, app)
        app.area.selection = type(app.area.selection)((0, 0), (1, 4))
        await pilot.press("ctrl+c")
        (message,) = await copied(pilot, app, 1)
        assert message.startswith("Copied 2 lines; also in ") and message.endswith("clipboard.txt")
        assert kept(lab).read_text() == TEXT and stat.S_IMODE(kept(lab).stat().st_mode) == 0o600
        await pilot.press("ctrl+c")
        assert (await copied(pilot, app, 2))[1] == "Copied 2 lines."
        await pilot.press("end", "ctrl+v")
        assert app.area.text.startswith(f"{TEXT}{TEXT}")


async def test_cutting_copies_what_the_note_said_and_not_its_stand_ins(lab: Path) -> None:
    app = EditorApp(lab)
    async with app.run_test() as pilot:
        await opened(pilot, app)
        app.area.load_text("a\x1bb\nc")
        await pilot.press("ctrl+x")
        await copied(pilot, app, 1)
        assert kept(lab).read_text() == "a\x1bb\n" and app.area.text == "c"
        await pilot.press("ctrl+v")
        assert app.area.text == "a\x1bb\nc"


async def test_half_a_surrogate_pair_does_no_harm(lab: Path) -> None:
    app = EditorApp(lab)
    async with app.run_test() as pilot:
        await opened(pilot, app)
        app.area.load_text("a\ud800b")
        await pilot.press("f7", "ctrl+c")
        await copied(pilot, app, 1)
        assert kept(lab).read_text() == "a?b"


async def test_where_the_file_cannot_be_written_it_says_so(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = EditorApp(lab)
    async with app.run_test() as pilot:
        await opened(pilot, app)
        monkeypatch.setenv("XDG_STATE_HOME", "/dev/null")
        await pilot.press("f7", "ctrl+c")
        (message,) = await copied(pilot, app, 1)
        assert "but not to" in message
        assert app.clipboard.startswith(TEXT)


async def test_what_no_terminal_takes_goes_to_the_file_only(lab: Path) -> None:
    app = EditorApp(lab)
    async with app.run_test() as pilot:
        await opened(pilot, app)
        app.area.load_text("数" * (clipboard.MAX_BYTES // 3) + "x")
        await pilot.press("f7", "ctrl+c")
        (message,) = await copied(pilot, app, 1)
        assert "only: more than the 74,994 bytes" in message
        assert len(kept(lab).read_bytes()) == clipboard.MAX_BYTES + 1


def start(lab: Path, tmp_path: Path, **env: str) -> Terminal:
    host = tmp_path / "host.py"
    host.write_text(PROGRAM)
    return Terminal([sys.executable, str(host), str(lab)], env)


@pytest.mark.parametrize(
    ("size", "sent"), [(20, True), (clipboard.MAX_BYTES - 2, True), (clipboard.MAX_BYTES - 1, False)]
)
def test_the_terminal_gets_what_it_takes(lab: Path, tmp_path: Path, size: int, sent: bool) -> None:
    words = "-" + "x" * (size - 1)
    (lab / paths.NOTEBOOK).write_text(f"[versions.v0]\nsummary = 'S'\ntakeaways = '''{words}'''\n")
    terminal = start(lab, tmp_path)
    try:
        terminal.shows("Takeaways")
        terminal.shows("xxxxx")
        terminal.type("\x1b[18~\x03")  # F7 marks all
        wait_until(kept(lab).exists, "the file")
        terminal.shows("Copied 2 lines")
        terminal.type("\x11")
        terminal.ended()
    finally:
        terminal.process.kill()
    found = re.findall(rb"\x1b\]52;c;([A-Za-z0-9+/=]*)\x07", bytes(terminal.raw))
    assert [base64.b64decode(one).decode() for one in found] == ([f"{words}\n-"] if sent else [])


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[list[str]]:
    argv = ["tmux", "-S", str(tmp_path / "socket"), "-f", os.devnull]
    yield argv
    subprocess.run([*argv, "kill-server"], check=False, stderr=subprocess.DEVNULL)


@pytest.mark.tmux
def test_tmux_has_it_with_its_own_settings(lab: Path, tmp_path: Path, tmux: list[str]) -> None:
    def call(*words: str) -> str:
        return subprocess.run([*tmux, *words], check=False, capture_output=True, text=True).stdout

    host = tmp_path / "host.py"
    host.write_text(PROGRAM)
    call("new-session", "-d", "-x", "80", "-y", "24", "env", sys.executable, str(host), str(lab))
    wait_until(lambda: "-two" in call("capture-pane", "-p"), "the editor")
    assert call("show-options", "-s", "set-clipboard").split()[-1] != "on", "what is tested is the default"
    call("send-keys", "F7", "C-c")
    wait_until(lambda: call("show-buffer") == f"{TEXT}\n-", "tmux's buffer")
