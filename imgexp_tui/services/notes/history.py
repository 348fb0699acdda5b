"""What the history screen reads and does. Plain functions and objects that block; the screen calls them in threads."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

from imgexp_tui.notebook.history.git import GitError, Repository, repository
from imgexp_tui.notebook.history.log import State
from imgexp_tui.notebook.history.timeline import Change, Commits, Saves, Timeline, measured
from imgexp_tui.notebook.model import FIELDS, NotebookError
from imgexp_tui.services.notebook_reader import stamp_of
from imgexp_tui.services.notes.sync import NoteFile
from imgexp_tui.text import clean_line, first_line, fit, width
from imgexp_tui.views.styled import Line, line, pad

PAGE = 200
SAVES, COMMITS = "saved", "commits"


@dataclass(frozen=True, slots=True)
class Page:
    """Some more changes.

    Attributes:
        now: note → what the file says now; {} where it cannot be read.
        ended: whether there are no more.
        trouble: what could not be read, as a sentence.
    """

    changes: list[Change]
    now: dict[str, str] = field(default_factory=dict)
    ended: bool = True
    trouble: str = ""


class Past:
    """One list: the saves, or the commits, of some notes of a version, from the newest on."""

    def __init__(self, lab: Path, version: str, source: str, fields: tuple[str, ...] = FIELDS) -> None:
        self._lab = lab
        self._version = version
        self._source = source
        self._fields = fields
        self._timeline: Timeline | None = None

    def more(self) -> Page:
        """The next page; of the saves it begins with what was written to the file by another program."""
        now, trouble = standing(self._lab, self._version)
        first = self._timeline is None
        try:
            if self._timeline is None:
                self._timeline = self._opened()
            changes = self._timeline.page(PAGE)
        except GitError as error:
            return Page([], now, True, f"{error}.")
        if first and self._source == SAVES:
            changes = self._by_hand(changes, now) + changes
        return Page(changes, now, self._timeline.ended, trouble)

    def _opened(self) -> Timeline:
        if self._source == COMMITS:
            return Commits(repository(self._lab), self._version, self._fields)
        return Saves(self._lab, self._version, self._fields)

    def _by_hand(self, changes: list[Change], now: dict[str, str]) -> list[Change]:
        """The notes that say something which no save of this app brought there."""
        made = []
        for name in self._fields:
            last = next((c.state.text for c in changes if c.state.field == name), None)
            if last is None and self._timeline and not self._timeline.ended:
                continue
            text = now.get(name, last or "")
            if text != (last or ""):
                moment = stamp_of(self._lab)[0] / 1e9
                made.append(measured(State(self._version, name, moment, text), last or ""))
        return made


def standing(lab: Path, version: str) -> tuple[dict[str, str], str]:
    """The notes as the file says them, and why they cannot be read."""
    file = NoteFile(lab, version)
    file.forget()
    found = file.look()
    return (dict(found.texts), found.trouble) if found else ({}, "")


def repository_of(lab: Path) -> Repository | None:
    """The repository of the notebook, if it is in one that git can read."""
    try:
        return repository(lab)
    except GitError:
        return None


def bring_back(lab: Path, change: Change) -> tuple[str, bool]:
    """Make a state the note again. Returns a sentence, and whether it is done."""
    from imgexp_tui.notebook.saving.save import bring_back

    state = change.state
    now, trouble = standing(lab, state.version)
    if state.field not in now:
        return trouble or "The notebook is being written by another program; try again.", False
    name = f"the {state.field} of {clean_line(state.version)}"
    if now[state.field] == state.text:
        return f"The note says that already ({name}).", False
    try:
        saved = bring_back(lab, state, seen=now[state.field])
    except NotebookError as error:
        return f"Not brought back: {error}.", False
    except OSError as error:
        return f"Not brought back: {error.strerror or error}.", False
    if saved.outcome == "conflict":
        return (
            f"{name[0].upper()}{name[1:]} changed meanwhile: both texts are kept, marked. Mend them in the editor.",
            True,
        )
    return f"Back: {name} of {when(state.time)}. What it said before is in the list, to be brought back as well.", True


def when(moment: float) -> str:
    """A moment in local time."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(moment))


# The list as lines

_WHEN, _NOTE, _SIZE, _COMMIT = 16, 9, 10, 8


def head(room: int, source: str) -> Line:
    """The names of the columns."""
    commit = f"  {'commit':{_COMMIT}}" if source == COMMITS else ""
    return pad(line((f"  {'when':{_WHEN}}  {'note':{_NOTE}}  {'lines':>{_SIZE}}{commit}  what", "quiet")), room)


def row(change: Change, room: int) -> Line:
    """One state: when, which note, how much it changed, of which commit, and how it begins to differ."""
    size = f"+{change.added} −{change.removed}" if change.added or change.removed else "ends"
    parts: list[tuple[str, str] | str] = [
        f"  {when(change.state.time):{_WHEN}}  {change.state.field:{_NOTE}}  ",
        f"{size:>{_SIZE}}  ",
    ]
    if change.source:
        parts.append((f"{clean_line(change.source):{_COMMIT}}  ", "key"))
    left = room - sum(width(part if isinstance(part, str) else part[0]) for part in parts)
    what = clean_line(change.subject) if change.source else _gist(change)
    return pad(line(*parts, (fit(what, max(0, left)), "quiet")), room)


def _gist(change: Change) -> str:
    """The first line that is new; of a note that only lost lines, the first that is gone."""
    if not change.state.text.strip():
        return "(emptied)"
    before, now = set(change.before.splitlines()), change.state.text.splitlines()
    new = next((text for text in now if text.strip() and text not in before), "")
    if new:
        return first_line(new)
    gone = next((text for text in change.before.splitlines() if text.strip() and text not in set(now)), "")
    return f"without: {first_line(gone)}" if gone else first_line(change.state.text)
