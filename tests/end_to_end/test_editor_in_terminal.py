"""The editor in a real terminal that goes away: SIGKILL, SIGHUP, SIGTERM, and somebody else's editor."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from imgexp_tui import paths
from imgexp_tui.notebook.history import drafts
from imgexp_tui.notebook.load import load_notebook
from tests.conftest import NewLab
from tests.helpers import wait_until
from tests.support.editor_app import PROGRAM
from tests.support.pty_terminal import Terminal

NOTEBOOK = """\
[versions.v0]
takeaways = '''
-old
'''
"""


@pytest.fixture
def lab(new_lab: NewLab) -> Path:
    return new_lab(NOTEBOOK, "lab")


@pytest.fixture
def start(tmp_path: Path, lab: Path) -> Iterator[Callable[..., Terminal]]:
    host = tmp_path / "host.py"
    host.write_text(PROGRAM)
    started: list[Terminal] = []

    def begin(first: str = "-old", **env: str) -> Terminal:
        terminal = Terminal([sys.executable, str(host), str(lab)], env)
        started.append(terminal)
        terminal.shows(first)
        return terminal

    yield begin
    for terminal in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(terminal.process.pid, signal.SIGKILL)
        terminal.process.wait()


def script(tmp_path: Path, body: str) -> str:
    """An editor of the user's: a shell script that gets the file's name."""
    path = tmp_path / "edit.sh"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


def test_after_sigkill_the_draft_is_offered_and_restored(lab: Path, start: Callable[..., Terminal]) -> None:
    terminal = start()
    terminal.type("-typed\x0dmore")
    wait_until(lambda: any("-typed\n-more" in d.text for d in drafts.read_drafts(lab)), "the draft")
    terminal.process.kill()
    terminal.ended()
    assert (lab / paths.NOTEBOOK).read_text() == NOTEBOOK
    again = start("unsaved takeaways found")
    again.type("r")
    again.shows("-more")
    again.type("\x13")
    again.saved()
    again.type("\x1b")
    again.ended()
    assert load_notebook(lab).versions["v0"].takeaways == "-old\n-typed\n-more"


@pytest.mark.parametrize("way", ["the connection drops", "the app is told to end"])
def test_what_was_just_typed_outlives_a_signal(lab: Path, start: Callable[..., Terminal], way: str) -> None:
    terminal = start()
    terminal.type("-just now")
    terminal.shows("-just now")
    if way == "the connection drops":
        terminal.hang_up()
    else:
        terminal.process.terminate()
    terminal.ended()
    texts = [d.text for d in drafts.read_drafts(lab)] + [load_notebook(lab).versions["v0"].takeaways]
    assert any("-just now" in text for text in texts)


def test_ctrl_q_saves(lab: Path, start: Callable[..., Terminal]) -> None:
    terminal = start()
    terminal.type("-quit")
    terminal.shows("-quit")
    terminal.type("\x11")
    assert terminal.ended() == 0
    assert load_notebook(lab).versions["v0"].takeaways == "-old\n-quit"


def test_the_users_editor_gets_the_note_and_what_it_wrote_is_saved(
    lab: Path, tmp_path: Path, start: Callable[..., Terminal]
) -> None:
    copied = tmp_path / "seen"
    editor = script(
        tmp_path, f'cp -p "$2" {copied}; echo "$1 $2" > {tmp_path}/args; printf -- "-from outside\\n" >> "$2"'
    )
    terminal = start(VISUAL="", EDITOR=f"{editor} --wait")
    terminal.type("-typed\x1bOS")
    terminal.shows("-from outside")
    terminal.saved()
    assert copied.read_text() == "-old\n-typed"
    assert stat.S_IMODE(copied.stat().st_mode) == 0o600
    option, path = (tmp_path / "args").read_text().split()
    assert option == "--wait" and path.endswith(".md") and path.startswith(str(paths.lab_state(lab)))
    assert not Path(path).exists()
    assert load_notebook(lab).versions["v0"].takeaways == "-old\n-typed-from outside"
    terminal.type("\x1a")
    terminal.shows("-typed")
    terminal.type("\x1b")
    terminal.ended()
    assert load_notebook(lab).versions["v0"].takeaways == "-old\n-typed"


def test_an_editor_that_fails_changes_nothing(lab: Path, tmp_path: Path, start: Callable[..., Terminal]) -> None:
    terminal = start(VISUAL="", EDITOR=script(tmp_path, 'echo lost > "$1"; exit 3'))
    terminal.type("\x0f")
    terminal.shows("ended with 3")
    terminal.type("\x1b")
    terminal.ended()
    assert (lab / paths.NOTEBOOK).read_text() == NOTEBOOK


def test_a_missing_editor_is_said_with_the_mend(lab: Path, start: Callable[..., Terminal]) -> None:
    terminal = start(VISUAL="", EDITOR="no-such-editor -w")
    terminal.type("\x0f")
    terminal.shows("no program that can be found")


def test_what_an_editor_saved_before_the_connection_dropped_is_offered(
    lab: Path, tmp_path: Path, start: Callable[..., Terminal]
) -> None:
    ready = tmp_path / "ready"
    body = f'trap "" HUP; printf -- "-saved in the editor\\n" >> "$1"; touch {ready}; exec sleep 60'
    terminal = start(VISUAL=script(tmp_path, body))
    terminal.type("\x0f")
    wait_until(ready.exists, "the editor")
    terminal.process.send_signal(signal.SIGKILL)
    terminal.ended()
    again = start("unsaved takeaways found")
    again.shows("-saved in the editor")
    again.type("r\x1b")
    again.ended()
    assert load_notebook(lab).versions["v0"].takeaways == "-old\n-saved in the editor\n"


def test_keys_that_arrive_in_one_burst_act_in_their_order(lab: Path, start: Callable[..., Terminal]) -> None:
    """Over a slow line keys come in bursts; each has to act on what the ones before it did."""
    terminal = start()
    left, home, end = "\x1b[D", "\x1b[H", "\x1b[F"
    burst = f"abc{left}{left}X{end}\x0c{end} one two\x17three{home}\x1b[C\x1b[C\x1b[C\x1b[C\x1b[C\x1b[Cy"
    terminal.type(burst + "\x0eobs\x0e" + "sum\x0e")
    terminal.type("\x13")
    terminal.saved()
    notes = load_notebook(lab).versions["v0"]
    assert notes.takeaways.splitlines() == ["-old", "- [ ] yaXbc one three"]
    assert (notes.observed, notes.summary) == ("obs", "sum")


def test_what_is_typed_right_behind_the_search_key_is_sought(lab: Path, start: Callable[..., Terminal]) -> None:
    terminal = start()
    terminal.type("\x06old")
    terminal.shows("1/1")
    terminal.type("\x1b")
    terminal.type("\x11")
    assert terminal.ended() == 0
    assert load_notebook(lab).versions["v0"].takeaways == "-old\n"


def test_what_is_typed_right_behind_the_figure_key_filters(lab: Path, start: Callable[..., Terminal]) -> None:
    terminal = start()
    terminal.type("\x07xyz")
    terminal.shows("Nothing was measured")
    terminal.shows("xyz")
    terminal.type("\x1b")
    terminal.shows("Takeaways")
    terminal.type("\x11")
    assert terminal.ended() == 0
    assert load_notebook(lab).versions["v0"].takeaways == "-old\n"
