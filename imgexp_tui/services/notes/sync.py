"""Brings what others write to the notebook into the notes that are open in the editor.

A note that was not touched here says at once what the file says. One that was is merged by line; where both changed
the same lines it is left alone and that is said, for marks in the midst of one's typing would be in the way: saving
puts them in. In either case the change is one edit, which undo takes back, and nothing that was typed is dropped.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from imgexp_tui.notebook.model import NOTE_FIELDS
from imgexp_tui.notebook.saving.merge import merge_texts
from imgexp_tui.paths import NOTEBOOK
from imgexp_tui.services.notebook_reader import notebook_stamp
from imgexp_tui.text import clean_line
from imgexp_tui.views.notes.bullets import next_bullet
from imgexp_tui.views.notes.safe_characters import newline_of

POLL_INTERVAL = 0.5
"""Seconds between two looks at the file."""
_SETTLE_SECONDS = 0.05
"""Seconds for which a file must stay as it is before it counts as written."""
_MAX_SETTLE_CHECKS = 20


@dataclass(frozen=True, slots=True)
class NotesOnDisk:
    """The notes of a version as they stand in the file.

    Attributes:
        texts: note → text; {} where they cannot be read.
        problem: why not, as a sentence.
    """

    texts: dict[str, str] = field(default_factory=dict)
    problem: str = ""


class NoteFileReader:
    """Reads the notes of one version again whenever the file has changed. It blocks: for a thread."""

    def __init__(self, lab: Path, version: str) -> None:
        self._lab = lab
        self._version = version
        self._stamp = notebook_stamp(lab)

    def invalidate(self) -> None:
        """Read the file at the next look, changed or not."""
        self._stamp = (-1, -1, -1)

    def poll(self) -> NotesOnDisk | None:
        """What stands there; None where nothing has changed since the last look, or it is still being written."""
        stamp = notebook_stamp(self._lab)
        if stamp == self._stamp or not self._is_settled(stamp):
            return None
        try:
            raw, busy = _read_notebook(self._lab / NOTEBOOK)
        except FileNotFoundError:
            self._stamp = stamp
            return NotesOnDisk(problem=f"There is no {NOTEBOOK} any more. {_KEEP_TYPING_HINT}")
        except OSError as error:
            self._stamp = stamp
            return NotesOnDisk(problem=f"{NOTEBOOK} cannot be read ({error.strerror}). {_KEEP_TYPING_HINT}")
        if busy or notebook_stamp(self._lab) != stamp:
            return None
        self._stamp = stamp
        return _parse_notes(raw, self._version)

    def _is_settled(self, stamp: tuple[int, int, int]) -> bool:
        """Whether the file stays so. Who writes it in place empties it first; who renames takes its name away first."""
        gone = stamp == (0, 0, 0)
        for _ in range(_MAX_SETTLE_CHECKS if gone else 1):
            time.sleep(_SETTLE_SECONDS)
            if notebook_stamp(self._lab) != stamp:
                return False
        return True


_KEEP_TYPING_HINT = "What you type here is kept as a draft; go on, and save when that is mended."


def _read_notebook(path: Path) -> tuple[bytes, bool]:
    from imgexp_tui.notebook.saving import atomic_swap

    return atomic_swap.read_with_writer_check(path)


def _parse_notes(raw: bytes, version: str) -> NotesOnDisk:
    """The notes of `version` in a file; of one that is broken elsewhere they can still be read."""
    from imgexp_tui.notebook.toml.tolerant import parse_tolerant

    try:
        data, faults, _ = parse_tolerant(raw.decode("utf-8"))
    except UnicodeDecodeError:
        return NotesOnDisk(problem=f"{NOTEBOOK} is no UTF-8 any more. {_KEEP_TYPING_HINT}")
    mine = {("versions", version), *(("versions", version, name) for name in NOTE_FIELDS)}
    if fault := next((f for f in faults if f.path in mine or not f.path), None):
        return NotesOnDisk(problem=f"{NOTEBOOK}:{fault.line}: {clean_line(fault.message)}. {_KEEP_TYPING_HINT}")
    versions = data.get("versions")
    table = versions.get(version) if isinstance(versions, dict) else None
    if not isinstance(table, dict):
        at = f" (line {faults[0].line} is broken)" if faults else ""
        return NotesOnDisk(problem=f"{version} is not in {NOTEBOOK} any more{at}. {_KEEP_TYPING_HINT}")
    texts = {name: table.get(name, "") for name in NOTE_FIELDS}
    if odd := [name for name, text in texts.items() if not isinstance(text, str)]:
        return NotesOnDisk(problem=f"{NOTEBOOK}: versions.{version}.{odd[0]} is no text any more. {_KEEP_TYPING_HINT}")
    return NotesOnDisk(texts)


class EditableText(Protocol):
    """The text area of a note.

    Attributes:
        offered_bullet: the bullet at the end that was offered and not filled yet.
    """

    offered_bullet: str

    @property
    def text(self) -> str: ...

    def replace_text(self, text: str) -> None:
        """Replace the text in one edit, which undo takes back."""


class OpenNote(Protocol):
    """A note that is open in the editor."""

    field: str
    base_text: str
    saved_text: str
    offered_text: str
    trimmed_ending: str

    @property
    def area(self) -> EditableText: ...

    @property
    def text(self) -> str: ...

    @property
    def dirty(self) -> bool: ...


class NoteSync:
    """Follows the file for the editor.

    Args:
        notes: field → note.
        is_saving: whether a save is under way, which brings the file's text along by itself.
        on_change: called with the field of every note that was changed.
        show_message: shows a sentence above the notes, in a manner; "" removes it.
    """

    def __init__(
        self,
        file: NoteFileReader,
        notes: Mapping[str, OpenNote],
        *,
        is_saving: Callable[[], bool],
        on_change: Callable[[str], object],
        show_message: Callable[[str, str], object],
    ) -> None:
        self._file = file
        self._notes = notes
        self._is_saving = is_saving
        self._on_change = on_change
        self._show_message = show_message
        self._is_polling = False
        self._problem = ""
        self._conflicts: dict[str, tuple[str, str]] = {}

    async def poll(self) -> None:
        """Look once; a look that a slow disk holds up is not joined by another."""
        if self._is_polling or self._is_saving():
            return
        self._is_polling = True
        if any(not self._notes[name].dirty for name in self._conflicts):
            self._conflicts.clear()  # what was typed there is undone: nothing stands in the way any more
            self._file.invalidate()
        try:
            await self._poll_file()
        finally:
            self._is_polling = False

    async def _poll_file(self) -> None:
        seen = {name: note.base_text for name, note in self._notes.items()}
        found = await asyncio.to_thread(self._file.poll)
        if found is None:
            return
        if found.problem:
            self._problem = found.problem
            self._show_message(found.problem, "warning")
            return
        mended, self._problem = self._problem, ""
        told: list[str] = []
        for name, note in self._notes.items():
            # A save that began or ended meanwhile knows more than this look does.
            if (
                self._is_saving()
                or note.base_text != seen[name]
                or not await self._merge_note(note, found.texts[name], told)
            ):
                self._file.invalidate()
        if told:
            self._show_message("\n".join(told), "warning")
        elif mended:
            self._show_message("", "warning")

    async def _merge_note(self, note: OpenNote, file_text: str, messages: list[str]) -> bool:
        """Bring the file's text to a note. Returns False where the user or a save came in between."""
        seen, text = note.base_text, note.text
        if file_text == seen or self._conflicts.get(note.field) == (seen, file_text):
            return True
        self._conflicts.pop(note.field, None)
        if not note.dirty:
            _replace_text(note, file_text)
            self._on_change(note.field)
            messages.append(f"The {note.field} changed elsewhere: shown as the file says now; ctrl+z takes that back.")
            return True
        merged, well = await asyncio.to_thread(merge_texts, seen, text, file_text)
        if self._is_saving() or note.base_text != seen or note.text != text:
            return False
        if not well:
            self._conflicts[note.field] = (seen, file_text)
            messages.append(
                f"The {note.field} changed elsewhere in the lines that you changed: "
                f"“{_first_new_line(seen, file_text)}”. "
                "Your text stays as it is; saving keeps both, marked."
            )
            return True
        note.area.replace_text(_with_offered_bullet(note, merged))
        note.base_text = note.saved_text = file_text
        self._on_change(note.field)
        if merged != text:
            messages.append(
                f"The {note.field} also changed elsewhere: merged here, not saved yet; ctrl+z takes that back."
            )
        return True


def _replace_text(note: OpenNote, file_text: str) -> None:
    """Make a note that was not touched say what the file says, with a new bullet at its end if it offered one."""
    if note.offered_text and note.area.text.endswith(note.offered_text) and (bullet := next_bullet(file_text)):
        body = file_text.rstrip()
        note.offered_text, note.trimmed_ending = newline_of(file_text) + bullet, file_text[len(body) :]
        note.area.offered_bullet = bullet
        note.area.replace_text(body + note.offered_text)
    else:
        note.offered_text = note.trimmed_ending = ""
        note.area.replace_text(file_text)
    note.base_text = file_text
    note.saved_text = note.text


def _with_offered_bullet(note: OpenNote, text: str) -> str:
    """`text` as the area shows it: with the bullet that is offered at its end, if it is still there."""
    if note.offered_text and note.area.text.endswith(note.offered_text) and text.endswith(note.trimmed_ending):
        return text[: len(text) - len(note.trimmed_ending)] + note.offered_text
    return text


def _first_new_line(old: str, new: str) -> str:
    """The first line that `new` has and `old` has not, short."""
    known = set(old.split("\n"))
    found = next((line for line in new.split("\n") if line.strip() and line not in known), "(lines removed)")
    line = clean_line(found)
    return line if len(line) <= 60 else line[:59] + "…"
