"""Reads the history of a version's notes, page by page, and restores an older state.

Everything here blocks: call it in threads. The rows of the list are drawn in `views.notes.history_rows`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from imgexp_tui.notebook.history.git import GitError, GitRepository, find_repository
from imgexp_tui.notebook.history.log import NoteState
from imgexp_tui.notebook.history.timeline import CommitTimeline, HistoryTimeline, NoteChange, Timeline, measure_change
from imgexp_tui.notebook.model import NOTE_FIELDS, NotebookError
from imgexp_tui.notebook.saving.outcome import SaveOutcome
from imgexp_tui.services.notebook_reader import notebook_stamp
from imgexp_tui.services.notes.sync import NoteFileReader
from imgexp_tui.text import clean_line
from imgexp_tui.views.notes.history_rows import format_time

PAGE_SIZE = 200
SAVES, COMMITS = "saved", "commits"


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """One page of changes, newest first.

    Attributes:
        current_texts: field → text in the file now; {} if it cannot be read.
        is_last: whether there are no more pages.
        problem: what could not be read, as a sentence; "" otherwise.
    """

    changes: list[NoteChange]
    current_texts: dict[str, str] = field(default_factory=dict)
    is_last: bool = True
    problem: str = ""


class NoteHistory:
    """The saves, or the commits, of some notes of a version, newest first.

    Args:
        source: `SAVES` or `COMMITS`.
    """

    def __init__(self, lab: Path, version: str, source: str, fields: tuple[str, ...] = NOTE_FIELDS) -> None:
        self._lab = lab
        self._version = version
        self._source = source
        self._fields = fields
        self._timeline: Timeline | None = None

    def next_page(self) -> HistoryPage:
        """Read the next page. The first page of saves starts with changes that another program made to the file."""
        now, problem = read_current_notes(self._lab, self._version)
        first = self._timeline is None
        try:
            if self._timeline is None:
                self._timeline = self._open_timeline()
            changes = self._timeline.next_page(PAGE_SIZE)
        except GitError as error:
            return HistoryPage([], now, True, f"{error}.")
        if first and self._source == SAVES:
            changes = self._external_changes(changes, now) + changes
        return HistoryPage(changes, now, self._timeline.is_exhausted, problem)

    def _open_timeline(self) -> Timeline:
        if self._source == COMMITS:
            return CommitTimeline(find_repository(self._lab), self._version, self._fields)
        return HistoryTimeline(self._lab, self._version, self._fields)

    def _external_changes(self, changes: list[NoteChange], current_texts: dict[str, str]) -> list[NoteChange]:
        """Changes for the notes whose current text was not written by a save of this app."""
        external = []
        for name in self._fields:
            last = next((c.state.text for c in changes if c.state.field == name), None)
            if last is None and self._timeline and not self._timeline.is_exhausted:
                continue
            text = current_texts.get(name, last or "")
            if text != (last or ""):
                moment = notebook_stamp(self._lab)[0] / 1e9
                external.append(measure_change(NoteState(self._version, name, moment, text), last or ""))
        return external


def read_current_notes(lab: Path, version: str) -> tuple[dict[str, str], str]:
    """The texts of a version's notes in the file, and why they cannot be read ("" if they can be)."""
    file = NoteFileReader(lab, version)
    file.invalidate()
    state = file.poll()
    return (dict(state.texts), state.problem) if state else ({}, "")


def notebook_repository(lab: Path) -> GitRepository | None:
    """The git repository of the notebook; None without one that git can read."""
    try:
        return find_repository(lab)
    except GitError:
        return None


def restore_state(lab: Path, change: NoteChange) -> tuple[str, bool]:
    """Restore an older state of a note. Returns a sentence for the user, and whether it was restored."""
    from imgexp_tui.notebook.saving.save import restore_state

    state = change.state
    now, problem = read_current_notes(lab, state.version)
    if state.field not in now:
        return problem or "The notebook is being written by another program; try again.", False
    name = f"the {state.field} of {clean_line(state.version)}"
    if now[state.field] == state.text:
        return f"The note says that already ({name}).", False
    try:
        saved = restore_state(lab, state, original=now[state.field])
    except NotebookError as error:
        return f"Not brought back: {error}.", False
    except OSError as error:
        return f"Not brought back: {error.strerror or error}.", False
    if saved.outcome is SaveOutcome.CONFLICT:
        return (
            f"{name[0].upper()}{name[1:]} changed meanwhile: both texts are kept, marked. Mend them in the editor.",
            True,
        )
    return (
        f"Back: {name} of {format_time(state.time)}. What it said before is in the list, to be brought back as well.",
        True,
    )
