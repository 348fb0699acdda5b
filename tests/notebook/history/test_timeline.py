"""The history of notes: newest first, page by page, from the app's own file and from git's commits."""

from __future__ import annotations

import time
from pathlib import Path

import orjson
import pytest

from imgexp_tui.notebook.history import log
from imgexp_tui.notebook.history.git import find_repository
from imgexp_tui.notebook.history.log import history_path, make_metadata_folder, note_states
from imgexp_tui.notebook.history.timeline import CommitTimeline, HistoryTimeline, NoteChange, Timeline
from imgexp_tui.paths import NOTEBOOK
from tests.support.git_lab import TEXT, change, committed, git


@pytest.fixture
def lab(git_lab: Path) -> Path:
    return git_lab


def write(lab: Path, states: list[tuple[float, str, str, str]]) -> None:
    make_metadata_folder(lab)
    lines = [orjson.dumps({"time": t, "version": v, "field": f, "text": x}) for t, v, f, x in states]
    history_path(lab).write_bytes(b"\n".join(lines) + b"\n")


def told(changes: list[NoteChange]) -> list[tuple[float, str, str, str]]:
    return [(c.state.time, c.state.field, c.before, c.state.text) for c in changes]


def every(timeline: Timeline, count: int) -> list[NoteChange]:
    found: list[NoteChange] = []
    while not timeline.is_exhausted:
        found += timeline.next_page(count)
    return found


STATES = [
    (1.0, "v0", "summary", "s1"),
    (2.0, "v0", "takeaways", "-a\n"),
    (3.0, "v1", "takeaways", "-not ours\n"),
    (4.0, "v0", "takeaways", "-a\n-b\n"),
    (5.0, "v0", "takeaways", '-a\n-"version":"v1"\n'),
    (6.0, "v0", "summary", ""),
]


@pytest.mark.parametrize("count", [1, 2, 3, 100])
def test_states_come_newest_first_with_what_they_replaced(tmp_path: Path, count: int) -> None:
    write(tmp_path, STATES)
    assert told(every(HistoryTimeline(tmp_path, "v0"), count)) == [
        (6.0, "summary", "s1", ""),
        (5.0, "takeaways", "-a\n-b\n", '-a\n-"version":"v1"\n'),
        (4.0, "takeaways", "-a\n", "-a\n-b\n"),
        (2.0, "takeaways", "", "-a\n"),
        (1.0, "summary", "", "s1"),
    ]
    only = every(HistoryTimeline(tmp_path, "v0", ["takeaways"]), count)
    assert [c.state for c in only] == note_states(tmp_path, "v0", "takeaways")
    assert [(c.added, c.removed) for c in only] == [(1, 1), (1, 0), (1, 0)]


def test_torn_and_foreign_lines_are_passed_over(tmp_path: Path) -> None:
    write(tmp_path, STATES)
    whole = history_path(tmp_path).read_bytes()
    history_path(tmp_path).write_bytes(b'{"version":"v0"}\n\0\0\n' + whole + b'{"time":7,"version":"v0","field":"summ')
    assert len(every(HistoryTimeline(tmp_path, "v0"), 2)) == 5


def test_without_a_history_there_is_nothing(tmp_path: Path) -> None:
    saves = HistoryTimeline(tmp_path, "v0")
    assert saves.next_page(10) == [] and saves.is_exhausted


def test_a_state_that_stands_twice_is_one(tmp_path: Path) -> None:
    write(tmp_path, [(1.0, "v0", "summary", "a"), (2.0, "v0", "summary", "a"), (3.0, "v0", "summary", "b")])
    assert told(every(HistoryTimeline(tmp_path, "v0"), 9)) == [(3.0, "summary", "a", "b"), (1.0, "summary", "", "a")]


def test_lines_longer_than_a_block_are_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from imgexp_tui.notebook.history import timeline

    monkeypatch.setattr(timeline, "_BLOCK_SIZE", 7)
    write(tmp_path, STATES)
    assert len(every(HistoryTimeline(tmp_path, "v0"), 2)) == 5


def test_the_first_page_of_a_long_history_reads_only_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from imgexp_tui.notebook.history import timeline

    read = 0

    def counted(lines: bytes) -> object:
        nonlocal read
        read += 1
        return log.parse_states(lines)

    monkeypatch.setattr(timeline, "parse_states", counted)
    write(tmp_path, [(float(i), "v0", "takeaways", f"-{i}\n" + "text " * 200) for i in range(10_000)])
    start = time.perf_counter()
    page = HistoryTimeline(tmp_path, "v0").next_page(200)
    assert read == 201 and [c.state.time for c in page] == [float(9999 - i) for i in range(200)]
    assert time.perf_counter() - start < 5


@pytest.mark.git
def test_commits_hold_the_states_before_the_history(lab: Path) -> None:
    committed(lab)
    for word in ("second", "third"):
        change(lab, "-first", f"-{word}\n-first")
        git(lab, "commit", "-qam", f"add {word} [/]")
    (lab / "other").write_text("x")
    git(lab, "add", "other")
    git(lab, "commit", "-qm", "not the notebook")
    found = every(CommitTimeline(find_repository(lab), "v0"), 2)
    assert [(c.subject, c.state.text, c.before) for c in found] == [
        ("add third [/]", "-second\n-third\n-first\n", "-second\n-first\n"),
        ("add second [/]", "-second\n-first\n", "-first\n"),
        ("start", "-first\n", ""),
    ]
    assert git(lab, "rev-parse", found[0].commit_sha).strip() == git(lab, "rev-parse", "HEAD~1").strip()


@pytest.mark.git
def test_many_commits_are_read_some_at_a_time(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from imgexp_tui.notebook.history import timeline

    monkeypatch.setattr(timeline, "_COMMITS_PER_READ", 3)
    committed(lab)
    for i in range(7):
        (lab / NOTEBOOK).write_text(TEXT.replace("-first", f"-{i}"))
        git(lab, "commit", "-qam", f"c{i}")
    commits = CommitTimeline(find_repository(lab), "v0")
    first = commits.next_page(2)
    assert [c.subject for c in first] == ["c6", "c5"] and not commits.is_exhausted
    assert [c.subject for c in first + every(commits, 2)] == ["c6", "c5", "c4", "c3", "c2", "c1", "c0", "start"]


@pytest.mark.git
def test_a_commit_without_the_version_or_with_a_broken_notebook_hides_no_other(lab: Path) -> None:
    committed(lab)
    (lab / NOTEBOOK).write_text("[versions.other]\n")
    git(lab, "commit", "-qam", "gone")
    (lab / NOTEBOOK).write_text(TEXT + "[broken\n")
    git(lab, "commit", "-qam", "back")
    git(lab, "rm", "-q", NOTEBOOK)
    git(lab, "commit", "-qm", "deleted")
    (lab / NOTEBOOK).write_text(TEXT)
    found = every(CommitTimeline(find_repository(lab), "v0"), 50)
    assert [(c.subject, c.state.text) for c in found] == [
        ("deleted", ""),
        ("back", "-first\n"),
        ("gone", ""),
        ("start", "-first\n"),
    ]


@pytest.mark.git
def test_a_repository_without_a_commit_has_no_states(lab: Path) -> None:
    assert every(CommitTimeline(find_repository(lab), "v0"), 5) == []
