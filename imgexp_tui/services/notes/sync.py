"""Merges changes that others make to the notebook into the notes that are open in the editor.

An unedited note gets the file's text at once. An edited note is merged by lines. Where both changed the same lines, it
is left as it is and a message says so, because conflict marks would disturb typing; saving inserts them. Each change is
one edit that undo reverts, and no typed text is dropped.
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
"""Seconds between two polls of the file."""
_SETTLE_SECONDS = 0.05
"""Seconds that a file must stay unchanged before it counts as completely written."""
_MAX_SETTLE_CHECKS = 20


@dataclass(frozen=True, slots=True)
class NotesOnDisk:
    """The notes of a version in the file.

    Attributes:
        texts: field → text; {} if they cannot be read.
        problem: why they cannot be read, as a sentence; "" otherwise.
    """

    texts: dict[str, str] = field(default_factory=dict)
    problem: str = ""


class NoteFileReader:
    """Reads the notes of one version whenever the file has changed. Blocks: use it in a thread."""

    def __init__(self, lab: Path, version: str) -> None:
        self._lab = lab
        self._version = version
        self._stamp = notebook_stamp(lab)

    def invalidate(self) -> None:
        """Make the next poll read the file even if it has not changed."""
        self._stamp = (-1, -1, -1)

    def poll(self) -> NotesOnDisk | None:
        """The notes in the file; None if it has not changed since the last poll or is still being written."""
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
        """Whether the file stays unchanged for a moment.

        A program that writes in place empties the file first; one that renames removes its name first.
        """
        missing = stamp == (0, 0, 0)
        for _ in range(_MAX_SETTLE_CHECKS if missing else 1):
            time.sleep(_SETTLE_SECONDS)
            if notebook_stamp(self._lab) != stamp:
                return False
        return True


_KEEP_TYPING_HINT = "What you type here is kept as a draft; go on, and save when that is mended."


def _read_notebook(path: Path) -> tuple[bytes, bool]:
    from imgexp_tui.notebook.saving import atomic_swap

    return atomic_swap.read_with_writer_check(path)


def _parse_notes(raw: bytes, version: str) -> NotesOnDisk:
    """The notes of `version` in the content of a file, even if the file is broken elsewhere."""
    from imgexp_tui.notebook.toml.tolerant import parse_tolerant

    try:
        data, faults, _ = parse_tolerant(raw.decode("utf-8"))
    except UnicodeDecodeError:
        return NotesOnDisk(problem=f"{NOTEBOOK} is no UTF-8 any more. {_KEEP_TYPING_HINT}")
    own_paths = {("versions", version), *(("versions", version, name) for name in NOTE_FIELDS)}
    if fault := next((f for f in faults if f.path in own_paths or not f.path), None):
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
        offered_bullet: the bullet that was offered at the end and is still empty.
    """

    offered_bullet: str

    @property
    def text(self) -> str: ...

    def replace_text(self, text: str) -> None:
        """Replace the text in one edit that undo reverts."""


class OpenNote(Protocol):
    """A note that is open in the editor.

    Attributes:
        base_text: the file's text that the edit started from.
        saved_text: the text as last saved, to compare with.
        offered_text: newline and bullet that were offered at the end; "" if none were.
        trimmed_ending: the end of the file's text that the offered bullet replaced.
        dirty: whether the text differs from `saved_text`.
    """

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
    """Follows the file for the editor; runs in the event loop and reads in threads.

    Args:
        notes: field → note.
        is_saving: whether a save is in progress; a save merges the file's text itself.
        on_change: called with the field of each changed note.
        show_message: shows a sentence with a severity above the notes; "" removes it.
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
        """Poll the file once; does nothing while an earlier poll waits for a slow disk."""
        if self._is_polling or self._is_saving():
            return
        self._is_polling = True
        if any(not self._notes[name].dirty for name in self._conflicts):
            self._conflicts.clear()  # the conflicting edit was undone, so the file's text can be merged
            self._file.invalidate()
        try:
            await self._poll_file()
        finally:
            self._is_polling = False

    async def _poll_file(self) -> None:
        base_texts = {name: note.base_text for name, note in self._notes.items()}
        current = await asyncio.to_thread(self._file.poll)
        if current is None:
            return
        if current.problem:
            self._problem = current.problem
            self._show_message(current.problem, "warning")
            return
        previous_problem, self._problem = self._problem, ""
        messages: list[str] = []
        for name, note in self._notes.items():
            # A save that began or ended meanwhile has newer data than this poll.
            if (
                self._is_saving()
                or note.base_text != base_texts[name]
                or not await self._merge_note(note, current.texts[name], messages)
            ):
                self._file.invalidate()
        if messages:
            self._show_message("\n".join(messages), "warning")
        elif previous_problem:
            self._show_message("", "warning")

    async def _merge_note(self, note: OpenNote, file_text: str, messages: list[str]) -> bool:
        """Merge the file's text into a note. Returns False if the user or a save changed the note meanwhile."""
        base_text, text = note.base_text, note.text
        if file_text == base_text or self._conflicts.get(note.field) == (base_text, file_text):
            return True
        self._conflicts.pop(note.field, None)
        if not note.dirty:
            _replace_text(note, file_text)
            self._on_change(note.field)
            messages.append(f"The {note.field} changed elsewhere: shown as the file says now; ctrl+z takes that back.")
            return True
        merged, well = await asyncio.to_thread(merge_texts, base_text, text, file_text)
        if self._is_saving() or note.base_text != base_text or note.text != text:
            return False
        if not well:
            self._conflicts[note.field] = (base_text, file_text)
            messages.append(
                f"The {note.field} changed elsewhere in the lines that you changed: "
                f"“{_first_new_line(base_text, file_text)}”. "
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
    """Replace the text of an unedited note by the file's, with a new empty bullet at its end if it had one."""
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
    """`text` as the area shows it: with the offered bullet at its end, if that is still there."""
    if note.offered_text and note.area.text.endswith(note.offered_text) and text.endswith(note.trimmed_ending):
        return text[: len(text) - len(note.trimmed_ending)] + note.offered_text
    return text


def _first_new_line(old: str, new: str) -> str:
    """The first line of `new` that is not in `old`, cut to 60 characters."""
    known = set(old.split("\n"))
    first = next((line for line in new.split("\n") if line.strip() and line not in known), "(lines removed)")
    line = clean_line(first)
    return line if len(line) <= 60 else line[:59] + "…"
