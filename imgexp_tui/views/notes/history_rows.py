"""Draws the list of a note's saved states or commits, one row per change."""

from __future__ import annotations

import time

from imgexp_tui.notebook.history.timeline import NoteChange
from imgexp_tui.text import cell_width, clean_line, first_line, truncate
from imgexp_tui.views.styled import Line, line, pad

_WHEN_WIDTH, _NOTE_WIDTH, _SIZE_WIDTH, _COMMIT_WIDTH = 16, 9, 10, 8


def format_time(moment: float) -> str:
    """A moment in local time."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(moment))


def header_row(room: int, *, with_commits: bool) -> Line:
    """The names of the columns."""
    commit = f"  {'commit':{_COMMIT_WIDTH}}" if with_commits else ""
    return pad(
        line((f"  {'when':{_WHEN_WIDTH}}  {'note':{_NOTE_WIDTH}}  {'lines':>{_SIZE_WIDTH}}{commit}  what", "quiet")),
        room,
    )


def change_row(change: NoteChange, room: int) -> Line:
    """One state: when, which note, how much it changed, of which commit, and how it begins to differ."""
    size = f"+{change.added} −{change.removed}" if change.added or change.removed else "ends"
    parts: list[tuple[str, str] | str] = [
        f"  {format_time(change.state.time):{_WHEN_WIDTH}}  {change.state.field:{_NOTE_WIDTH}}  ",
        f"{size:>{_SIZE_WIDTH}}  ",
    ]
    if change.commit_sha:
        parts.append((f"{clean_line(change.commit_sha):{_COMMIT_WIDTH}}  ", "key"))
    left = room - sum(cell_width(part if isinstance(part, str) else part[0]) for part in parts)
    what = clean_line(change.subject) if change.commit_sha else _change_summary(change)
    return pad(line(*parts, (truncate(what, max(0, left)), "quiet")), room)


def _change_summary(change: NoteChange) -> str:
    """The first line that is new; of a note that only lost lines, the first that is gone."""
    if not change.state.text.strip():
        return "(emptied)"
    before, now = set(change.before.splitlines()), change.state.text.splitlines()
    new = next((text for text in now if text.strip() and text not in before), "")
    if new:
        return first_line(new)
    removed = next((text for text in change.before.splitlines() if text.strip() and text not in set(now)), "")
    return f"without: {first_line(removed)}" if removed else first_line(change.state.text)
