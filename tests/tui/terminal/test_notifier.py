"""The open app tells of what happens to runs: what comes out of its terminal, and what does not."""

from __future__ import annotations

import os
import re
import sys
import time
from pathlib import Path

import pytest
from terminal import Recording, record

from imgexp_tui.notebook.load import load_notebook
from imgexp_tui.records.alerts import Alert
from imgexp_tui.records.documents import Process
from imgexp_tui.records.process_identity import identity_of
from imgexp_tui.records.status import State
from imgexp_tui.runner.control import wait_for_end
from imgexp_tui.runner.launch import launch
from imgexp_tui.tui.terminal.notifier import format_alerts, notification_sequence
from tests.helpers import stop_all
from tests.support.recorded_runs import a_run

SEQUENCE = re.compile(rb"\x1b(?:P.*?\x1b\\|\][^\a\x1b]*(?:\a|\x1b\\))", re.DOTALL)


def a_lab(folder: Path, keys: str) -> Path:
    versions = "".join(
        f'[versions.{name}]\ncommand = ["sh", "-c", "while ! test -e go; do sleep 0.05; done; exit {code}"]\n'
        for name, code in (("old", 3), ("v1", 0), ("v2", 0), ("v3", 7))
    )
    (folder / "experiments.toml").write_text(f"[lab]\nslots = 9\n{keys}\n{versions}")
    (folder / "go").touch()
    wait_for_end(launch(load_notebook(folder), "old"))
    (folder / "go").unlink()
    for name in ("v1", "v2", "v3"):
        launch(load_notebook(folder), name)
    return folder


def opened(lab: Path, until: bytes, settle: float = 0.2, **environment: str) -> Recording:
    """The app while three runs end that it has seen running."""
    command, variables = [sys.executable, "-m", "imgexp_tui", str(lab)], {"TERM": "xterm-256color", **environment}
    ends = (b"3 running", (lab / "go").touch)
    found = record(command, until=until, settle=settle, environment=variables, then=ends)
    stop_all(lab)
    return found


def split(found: Recording) -> tuple[bytes, list[bytes]]:
    """What was sent without the sequences that carry text, and those of them that notify."""
    data = b"".join(chunk for _, chunk in found.chunks)
    sent = [s for s in SEQUENCE.findall(data) if b"imgexp-tui" in s and (b"]9;" in s or b"]777;" in s)]
    return SEQUENCE.sub(b"", data), sent


def test_runs_that_end_together_ring_once_and_an_old_one_does_not(tmp_path: Path) -> None:
    lab = a_lab(tmp_path, 'notify = "osc9"')
    rest, sent = split(opened(lab, b"]9;imgexp-tui", settle=2, TMUX=""))
    assert sent == [b"\x1b]9;imgexp-tui: v1 and v2 finished; v3 failed\a"]
    assert rest.count(b"\a") == 1


def test_inside_tmux_the_sequence_is_wrapped_and_the_bell_can_be_off(tmp_path: Path) -> None:
    lab = a_lab(tmp_path, 'notify = "osc777"\nbell = false\nalerts = ["failed"]')
    rest, sent = split(opened(lab, b"]777;notify", settle=1, TMUX="/nowhere,1,0"))
    assert sent == [b"\x1bPtmux;\x1b\x1b]777;notify;imgexp-tui;v3 failed: exit code 7\a\x1b\\"]
    assert b"\a" not in rest


def test_without_being_asked_no_notification_is_sent(tmp_path: Path) -> None:
    lab = a_lab(tmp_path, "")
    rest, sent = split(opened(lab, b"v1 and v2", settle=1))
    assert sent == []
    assert rest.count(b"\a") == 1


def an_alert(kind: str, version: str, message: str = "") -> Alert:
    return Alert(kind, version, "r", message, time.time())


def test_many_events_are_one_sentence() -> None:
    many = [an_alert("finished", f"v{i}") for i in range(20)]
    assert format_alerts([*many, an_alert("stalled", "a"), an_alert("nan", "b")]) == (
        "v0, v1, v2, v3 and 16 more finished; a stalled; b got a NaN"
    )
    assert format_alerts([an_alert("failed", "a", "a failed: exit code 1")]) == "a failed: exit code 1"
    assert len(format_alerts([an_alert("failed", "a", "x" * 4000)])) == 200


@pytest.mark.parametrize("kind", ["osc9", "osc777"])
def test_no_text_gets_out_of_the_sequence(kind: str) -> None:
    sequence = notification_sequence(kind, "a failed: \x1b]52;c;xx\a \x07\x9c\x1b\\ b;4;1\nc", {})
    assert sequence[0] == "\x1b" and sequence[-1] == "\a"
    assert not re.search(r"[\x00-\x1f\x7f-\x9f]", sequence[1:-1])
    assert sequence.count(";") == 3  # those of its own, and of the text in the one that has no fields


def test_a_run_whose_folder_is_moved_tells_nothing(tmp_path: Path) -> None:
    view = a_run(tmp_path, "v1", "20260101-000000-aaaaaa", [0.4], ended=False)
    Process("u", 1, None, identity_of(os.getpid()), time.time()).write(view.run_dir)
    view.poll()
    assert view.status.state is State.RUNNING
    view.take_alerts()
    (tmp_path / "runs" / "v1").rename(tmp_path / "runs" / "v9")
    view.poll()
    assert view.status.state is State.LOST
    assert view.take_alerts() == []


def test_what_was_before_the_first_look_is_no_news(tmp_path: Path) -> None:
    view = a_run(tmp_path, "v1", "20260101-000000-aaaaaa", [0.4, 0.3])
    assert view.take_alerts(since=1000) == []
    again = a_run(tmp_path, "v2", "20260101-000000-aaaaaa", [0.4, 0.3])
    assert [alert.kind for alert in again.take_alerts()] == ["best", "failed"]
    assert again.take_alerts() == []
