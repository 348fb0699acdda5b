"""Pages through the changes of a version's notes, newest first, from the app's history or from git commits.

Either may be long, so that no more is read than is needed: the history backwards from its end, the commits in batches.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from io import BytesIO
from pathlib import Path
from typing import Protocol

import orjson

from imgexp_tui.notebook.history.git import GitRepository
from imgexp_tui.notebook.history.log import NoteState, history_path, parse_states
from imgexp_tui.notebook.model import NOTE_FIELDS

_BLOCK_SIZE = 1 << 20
_COMMITS_PER_READ = 20
"""Commits that are read at once; a whole notebook is parsed for each."""


@dataclass(frozen=True, slots=True)
class NoteChange:
    """A state of a note, and the one before it.

    Attributes:
        before: the text before; "" for the first known state.
        added, removed: numbers of lines.
        commit_sha: abbreviated, of the commit that made the change; "" for a save.
        subject: of that commit.
    """

    state: NoteState
    before: str
    added: int
    removed: int
    commit_sha: str = ""
    subject: str = ""


class Timeline(Protocol):
    """A source of changes, newest first."""

    @property
    def is_exhausted(self) -> bool:
        """Whether all changes have been returned."""

    def next_page(self, count: int) -> list[NoteChange]:
        """Returns the next changes; fewer than `count` only at the end."""


class HistoryTimeline:
    """The changes in the app's own history.

    Args:
        fields: the notes to include.
    """

    def __init__(self, lab: Path, version: str, fields: Sequence[str] = NOTE_FIELDS) -> None:
        self._fields = fields
        self._version = version
        self._lines = _lines_backwards(history_path(lab), b'"version":' + orjson.dumps(version))
        self._states: list[NoteState] = []
        self._text_before: dict[int, str] = {}
        self._oldest_index: dict[str, int] = {}
        self._returned = 0
        self._all_read = False

    @property
    def is_exhausted(self) -> bool:
        return self._all_read and self._returned >= len(self._states)

    def next_page(self, count: int) -> list[NoteChange]:
        end = self._returned + count
        settled = self._returned
        while not self._all_read and settled < end:
            self._read_next()
            while settled in self._text_before:
                settled += 1
        start, self._returned = self._returned, min(end, len(self._states))
        return [measure_change(self._states[at], self._text_before.pop(at, "")) for at in range(start, self._returned)]

    def _read_next(self) -> None:
        """Reads one state, which is also the text before the next newer one."""
        try:
            line = next(self._lines)
        except (StopIteration, OSError):
            self._all_read = True
            return
        for state in parse_states(line):
            if state.version != self._version or state.field not in self._fields:
                continue
            later = self._oldest_index.get(state.field)
            if later is not None and self._states[later].text == state.text:
                if later >= self._returned:
                    self._states[later] = replace(self._states[later], time=state.time)
                continue
            if later is not None:
                self._text_before[later] = state.text
            self._oldest_index[state.field] = len(self._states)
            self._states.append(state)


class CommitTimeline:
    """The changes in the commits to the notebook, on the current branch."""

    def __init__(self, repo: GitRepository, version: str, fields: Sequence[str] = NOTE_FIELDS) -> None:
        self._repo = repo
        self._version = version
        self._fields = fields
        self._skip = 0
        self._all_read = False
        self._newer_commit: _Commit | None = None
        self._pending: list[NoteChange] = []

    @property
    def is_exhausted(self) -> bool:
        return self._all_read and not self._pending

    def next_page(self, count: int) -> list[NoteChange]:
        """Returns the next changes.

        Raises:
            GitError: git failed.
        """
        while not self._all_read and len(self._pending) < count:
            self._read_next()
        page, self._pending = self._pending[:count], self._pending[count:]
        return page

    def _read_next(self) -> None:
        """Reads some commits. The changes of one are known when the commit before it has been read."""
        commits = self._read_log()
        self._skip += len(commits)
        self._all_read = len(commits) < _COMMITS_PER_READ
        for commit, notes in zip(commits, self._read_notes([c.sha for c in commits]), strict=True):
            commit.notes.update(notes)
            if self._newer_commit:
                self._pending += self._note_changes(self._newer_commit, commit.notes)
            self._newer_commit = commit
        if self._all_read and self._newer_commit:
            self._pending += self._note_changes(self._newer_commit, {})
            self._newer_commit = None

    def _read_log(self) -> list[_Commit]:
        if self._repo.run("rev-parse", "--quiet", "--verify", "HEAD").exit_code:
            return []  # nothing was committed yet
        words = (
            "--no-show-signature",
            "--format=%H%x00%ct%x00%s",
            f"--max-count={_COMMITS_PER_READ}",
            f"--skip={self._skip}",
        )
        lines = (
            self._repo.check_output("log", *words, "--", self._repo.file_name).decode("utf-8", "replace").split("\n")
        )
        fields = [line.split("\0", 2) for line in lines if line.count("\0") >= 2]
        return [_Commit(sha, float(moment), subject, {}) for sha, moment, subject in fields]

    def _read_notes(self, shas: list[str]) -> Iterator[dict[str, str]]:
        """Yields the version's notes in each commit; {} where it, or the file, does not exist."""
        path = f"{self._repo.prefix}{self._repo.file_name}"
        names = os.fsencode("".join(f"{sha}:{path}\n" for sha in shas))
        blobs = BytesIO(self._repo.check_output("cat-file", "--batch", stdin=names) if shas else b"")
        for _ in shas:
            *_, kind, size = [b"", *blobs.readline().split()]
            if kind != b"blob":
                yield {}
                continue
            yield self._parse_notes(blobs.read(int(size)).decode("utf-8", "replace"))
            blobs.readline()

    def _parse_notes(self, text: str) -> dict[str, str]:
        from imgexp_tui.notebook.toml.tolerant import parse_tolerant

        versions = parse_tolerant(text)[0].get("versions")
        table = versions.get(self._version) if isinstance(versions, dict) else None
        known = table if isinstance(table, dict) else {}
        return {name: note for name in self._fields if isinstance(note := known.get(name), str)}

    def _note_changes(self, commit: _Commit, before: dict[str, str]) -> Iterator[NoteChange]:
        for name in self._fields:
            old, new = before.get(name, ""), commit.notes.get(name, "")
            if old != new:
                change = measure_change(NoteState(self._version, name, commit.time, new), old)
                yield replace(change, commit_sha=commit.sha[:8], subject=commit.subject)


@dataclass(slots=True)
class _Commit:
    sha: str
    time: float
    subject: str
    notes: dict[str, str]


def measure_change(state: NoteState, before: str) -> NoteChange:
    """Returns the change from `before` to `state`, with its size in lines."""
    old, new = before.splitlines(), state.text.splitlines()
    head = 0
    while head < min(len(old), len(new)) and old[head] == new[head]:
        head += 1
    added = removed = 0
    for tag, i, end, j, stop in SequenceMatcher(None, old[head:], new[head:], autojunk=False).get_opcodes():
        if tag != "equal":
            removed, added = removed + end - i, added + stop - j
    return NoteChange(state, before, added, removed)


def _lines_backwards(path: Path, needle: bytes) -> Iterator[bytes]:
    """Yields the lines of a file that hold `needle`, from the last to the first; a torn last line is left out."""
    try:
        file = path.open("rb")
    except OSError:
        return
    with file:
        end = file.seek(0, os.SEEK_END)
        rest = b""
        while end:
            start = max(0, end - _BLOCK_SIZE)
            file.seek(start)
            block = file.read(end - start) + rest
            rest, *lines = block.split(b"\n")
            yield from (line for line in reversed(lines) if needle in line)
            end = start
        if needle in rest:
            yield rest
