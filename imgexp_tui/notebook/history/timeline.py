"""The states of a version's notes with what each changed, newest first, page by page.

They come from the app's own history, and from the commits of the repository that the notebook is in. Either may be
long, so that no more is read than is asked for: the history from its end backwards, the commits some at a time.
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

from imgexp_tui.notebook.history.git import Repository
from imgexp_tui.notebook.history.log import State, file_of, states_in
from imgexp_tui.notebook.model import FIELDS

_BLOCK = 1 << 20
_COMMITS = 20
"""Commits that are read at once: each is a whole notebook to parse."""


@dataclass(frozen=True, slots=True)
class Change:
    """A state of a note, and the one before it.

    Attributes:
        before: what the note said before; "" for the first state that is known.
        added, removed: lines.
        source: the commit that it is from, abbreviated; "" for a save.
        subject: of that commit.
    """

    state: State
    before: str
    added: int
    removed: int
    source: str = ""
    subject: str = ""


class Timeline(Protocol):
    """A source of changes."""

    @property
    def ended(self) -> bool:
        """Whether all have been given."""

    def page(self, count: int) -> list[Change]:
        """The next changes; fewer than `count` only at the end."""


class Saves:
    """The states in the app's own history.

    Args:
        fields: the notes that are asked for.
    """

    def __init__(self, lab: Path, version: str, fields: Sequence[str] = FIELDS) -> None:
        self._fields = fields
        self._version = version
        self._lines = _backwards(file_of(lab), b'"version":' + orjson.dumps(version))
        self._states: list[State] = []
        self._before: dict[int, str] = {}
        self._oldest: dict[str, int] = {}
        self._given = 0
        self._read = False

    @property
    def ended(self) -> bool:
        return self._read and self._given >= len(self._states)

    def page(self, count: int) -> list[Change]:
        end = self._given + count
        settled = self._given
        while not self._read and settled < end:
            self._next()
            while settled in self._before:
                settled += 1
        start, self._given = self._given, min(end, len(self._states))
        return [measured(self._states[at], self._before.pop(at, "")) for at in range(start, self._given)]

    def _next(self) -> None:
        """Read one state, which is also what the state after it replaced."""
        try:
            line = next(self._lines)
        except (StopIteration, OSError):
            self._read = True
            return
        for state in states_in(line):
            if state.version != self._version or state.field not in self._fields:
                continue
            later = self._oldest.get(state.field)
            if later is not None and self._states[later].text == state.text:
                if later >= self._given:
                    self._states[later] = replace(self._states[later], time=state.time)
                continue
            if later is not None:
                self._before[later] = state.text
            self._oldest[state.field] = len(self._states)
            self._states.append(state)


class Commits:
    """The states in the commits that touched the notebook, of the branch that one is on."""

    def __init__(self, where: Repository, version: str, fields: Sequence[str] = FIELDS) -> None:
        self._where = where
        self._version = version
        self._fields = fields
        self._skip = 0
        self._read = False
        self._newer: _Commit | None = None
        self._found: list[Change] = []

    @property
    def ended(self) -> bool:
        return self._read and not self._found

    def page(self, count: int) -> list[Change]:
        """The next changes.

        Raises:
            GitError: git does not answer.
        """
        while not self._read and len(self._found) < count:
            self._next()
        page, self._found = self._found[:count], self._found[count:]
        return page

    def _next(self) -> None:
        """Read some commits. What one changed is known when the one before it is."""
        commits = self._log()
        self._skip += len(commits)
        self._read = len(commits) < _COMMITS
        for commit, notes in zip(commits, self._notes([c.sha for c in commits]), strict=True):
            commit.notes.update(notes)
            if self._newer:
                self._found += self._changes(self._newer, commit.notes)
            self._newer = commit
        if self._read and self._newer:
            self._found += self._changes(self._newer, {})
            self._newer = None

    def _log(self) -> list[_Commit]:
        if self._where.run("rev-parse", "--quiet", "--verify", "HEAD").code:
            return []  # nothing was committed yet
        words = ("--no-show-signature", "--format=%H%x00%ct%x00%s", f"--max-count={_COMMITS}", f"--skip={self._skip}")
        lines = self._where.ask("log", *words, "--", self._where.name).decode("utf-8", "replace").split("\n")
        found = [line.split("\0", 2) for line in lines if line.count("\0") >= 2]
        return [_Commit(sha, float(moment), subject, {}) for sha, moment, subject in found]

    def _notes(self, shas: list[str]) -> Iterator[dict[str, str]]:
        """The notes of the version in each commit; {} where it, or the file, is not there."""
        path = f"{self._where.prefix}{self._where.name}"
        names = os.fsencode("".join(f"{sha}:{path}\n" for sha in shas))
        blobs = BytesIO(self._where.ask("cat-file", "--batch", given=names) if shas else b"")
        for _ in shas:
            *_, kind, size = [b"", *blobs.readline().split()]
            if kind != b"blob":
                yield {}
                continue
            yield self._notes_in(blobs.read(int(size)).decode("utf-8", "replace"))
            blobs.readline()

    def _notes_in(self, text: str) -> dict[str, str]:
        from imgexp_tui.notebook.toml.tolerant import parse

        versions = parse(text)[0].get("versions")
        table = versions.get(self._version) if isinstance(versions, dict) else None
        known = table if isinstance(table, dict) else {}
        return {name: note for name in self._fields if isinstance(note := known.get(name), str)}

    def _changes(self, commit: _Commit, before: dict[str, str]) -> Iterator[Change]:
        for name in self._fields:
            old, new = before.get(name, ""), commit.notes.get(name, "")
            if old != new:
                change = measured(State(self._version, name, commit.time, new), old)
                yield replace(change, source=commit.sha[:8], subject=commit.subject)


@dataclass(slots=True)
class _Commit:
    sha: str
    time: float
    subject: str
    notes: dict[str, str]


def measured(state: State, before: str) -> Change:
    """A change with its size in lines."""
    old, new = before.splitlines(), state.text.splitlines()
    head = 0
    while head < min(len(old), len(new)) and old[head] == new[head]:
        head += 1
    added = removed = 0
    for tag, i, end, j, stop in SequenceMatcher(None, old[head:], new[head:], autojunk=False).get_opcodes():
        if tag != "equal":
            removed, added = removed + end - i, added + stop - j
    return Change(state, before, added, removed)


def _backwards(path: Path, needle: bytes) -> Iterator[bytes]:
    """The lines of a file that hold `needle`, from the last to the first; a torn last line is no line."""
    try:
        file = path.open("rb")
    except OSError:
        return
    with file:
        end = file.seek(0, os.SEEK_END)
        rest = b""
        while end:
            start = max(0, end - _BLOCK)
            file.seek(start)
            block = file.read(end - start) + rest
            rest, *lines = block.split(b"\n")
            yield from (line for line in reversed(lines) if needle in line)
            end = start
        if needle in rest:
            yield rest
