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

from imgexp_tui.notebook.model import FIELDS
from imgexp_tui.notebook.saving.merge import merge
from imgexp_tui.paths import NOTEBOOK
from imgexp_tui.services.notebook_reader import stamp_of
from imgexp_tui.text import clean_line
from imgexp_tui.views.notes.bullets import next_bullet
from imgexp_tui.views.notes.safe_characters import newline_of

PACE = 0.5
"""Seconds between two looks at the file."""
_SETTLE = 0.05
"""Seconds for which a file must stay as it is before it counts as written."""
_TRIES = 20


@dataclass(frozen=True, slots=True)
class Standing:
    """The notes of a version as they stand in the file.

    Attributes:
        texts: note → text; {} where they cannot be read.
        trouble: why not, as a sentence.
    """

    texts: dict[str, str] = field(default_factory=dict)
    trouble: str = ""


class NoteFile:
    """Reads the notes of one version again whenever the file has changed. It blocks: for a thread."""

    def __init__(self, lab: Path, version: str) -> None:
        self._lab = lab
        self._version = version
        self._stamp = stamp_of(lab)

    def forget(self) -> None:
        """Read the file at the next look, changed or not."""
        self._stamp = (-1, -1, -1)

    def look(self) -> Standing | None:
        """What stands there; None where nothing has changed since the last look, or it is still being written."""
        stamp = stamp_of(self._lab)
        if stamp == self._stamp or not self._settled(stamp):
            return None
        try:
            raw, busy = _read(self._lab / NOTEBOOK)
        except FileNotFoundError:
            self._stamp = stamp
            return Standing(trouble=f"There is no {NOTEBOOK} any more. {_GO_ON}")
        except OSError as error:
            self._stamp = stamp
            return Standing(trouble=f"{NOTEBOOK} cannot be read ({error.strerror}). {_GO_ON}")
        if busy or stamp_of(self._lab) != stamp:
            return None
        self._stamp = stamp
        return _standing(raw, self._version)

    def _settled(self, stamp: tuple[int, int, int]) -> bool:
        """Whether the file stays so. Who writes it in place empties it first; who renames takes its name away first."""
        gone = stamp == (0, 0, 0)
        for _ in range(_TRIES if gone else 1):
            time.sleep(_SETTLE)
            if stamp_of(self._lab) != stamp:
                return False
        return True


_GO_ON = "What you type here is kept as a draft; go on, and save when that is mended."


def _read(path: Path) -> tuple[bytes, bool]:
    from imgexp_tui.notebook.saving import atomic_swap

    return atomic_swap.look(path)


def _standing(raw: bytes, version: str) -> Standing:
    """The notes of `version` in a file; of one that is broken elsewhere they can still be read."""
    from imgexp_tui.notebook.toml.tolerant import parse

    try:
        data, faults, _ = parse(raw.decode("utf-8"))
    except UnicodeDecodeError:
        return Standing(trouble=f"{NOTEBOOK} is no UTF-8 any more. {_GO_ON}")
    mine = {("versions", version), *(("versions", version, name) for name in FIELDS)}
    if fault := next((f for f in faults if f.path in mine or not f.path), None):
        return Standing(trouble=f"{NOTEBOOK}:{fault.line}: {clean_line(fault.message)}. {_GO_ON}")
    versions = data.get("versions")
    table = versions.get(version) if isinstance(versions, dict) else None
    if not isinstance(table, dict):
        at = f" (line {faults[0].line} is broken)" if faults else ""
        return Standing(trouble=f"{version} is not in {NOTEBOOK} any more{at}. {_GO_ON}")
    texts = {name: table.get(name, "") for name in FIELDS}
    if odd := [name for name, text in texts.items() if not isinstance(text, str)]:
        return Standing(trouble=f"{NOTEBOOK}: versions.{version}.{odd[0]} is no text any more. {_GO_ON}")
    return Standing(texts)


class EditableText(Protocol):
    """The text area of a note.

    Attributes:
        offered: the bullet at the end that was offered and not filled yet.
    """

    offered: str

    @property
    def text(self) -> str: ...

    def change_to(self, text: str) -> None:
        """Replace the text in one edit, which undo takes back."""


class Open(Protocol):
    """A note that is open in the editor."""

    field: str
    seen: str
    kept: str
    offer: str
    ending: str

    @property
    def area(self) -> EditableText: ...

    @property
    def text(self) -> str: ...

    @property
    def dirty(self) -> bool: ...


class NoteWatch:
    """Follows the file for the editor.

    Args:
        notes: field → note.
        busy: whether a save is under way, which brings the file's text along by itself.
        followed: called with the field of every note that was changed.
        say: shows a sentence above the notes, in a manner; "" removes it.
    """

    def __init__(
        self,
        file: NoteFile,
        notes: Mapping[str, Open],
        *,
        busy: Callable[[], bool],
        followed: Callable[[str], object],
        say: Callable[[str, str], object],
    ) -> None:
        self._file = file
        self._notes = notes
        self._busy = busy
        self._followed = followed
        self._say = say
        self._looking = False
        self._trouble = ""
        self._clashing: dict[str, tuple[str, str]] = {}

    async def look(self) -> None:
        """Look once; a look that a slow disk holds up is not joined by another."""
        if self._looking or self._busy():
            return
        self._looking = True
        if any(not self._notes[name].dirty for name in self._clashing):
            self._clashing.clear()  # what was typed there is undone: nothing stands in the way any more
            self._file.forget()
        try:
            await self._look()
        finally:
            self._looking = False

    async def _look(self) -> None:
        seen = {name: note.seen for name, note in self._notes.items()}
        found = await asyncio.to_thread(self._file.look)
        if found is None:
            return
        if found.trouble:
            self._trouble = found.trouble
            self._say(found.trouble, "warning")
            return
        mended, self._trouble = self._trouble, ""
        told: list[str] = []
        for name, note in self._notes.items():
            # A save that began or ended meanwhile knows more than this look does.
            if self._busy() or note.seen != seen[name] or not await self._bring(note, found.texts[name], told):
                self._file.forget()
        if told:
            self._say("\n".join(told), "warning")
        elif mended:
            self._say("", "warning")

    async def _bring(self, note: Open, standing: str, told: list[str]) -> bool:
        """Bring the file's text to a note. Returns False where the user or a save came in between."""
        seen, text = note.seen, note.text
        if standing == seen or self._clashing.get(note.field) == (seen, standing):
            return True
        self._clashing.pop(note.field, None)
        if not note.dirty:
            _take_over(note, standing)
            self._followed(note.field)
            told.append(f"The {note.field} changed elsewhere: shown as the file says now; ctrl+z takes that back.")
            return True
        merged, well = await asyncio.to_thread(merge, seen, text, standing)
        if self._busy() or note.seen != seen or note.text != text:
            return False
        if not well:
            self._clashing[note.field] = (seen, standing)
            told.append(
                f"The {note.field} changed elsewhere in the lines that you changed: “{_new_line(seen, standing)}”. "
                "Your text stays as it is; saving keeps both, marked."
            )
            return True
        note.area.change_to(_shown(note, merged))
        note.seen = note.kept = standing
        self._followed(note.field)
        if merged != text:
            told.append(f"The {note.field} also changed elsewhere: merged here, not saved yet; ctrl+z takes that back.")
        return True


def _take_over(note: Open, standing: str) -> None:
    """Make a note that was not touched say what the file says, with a new bullet at its end if it offered one."""
    if note.offer and note.area.text.endswith(note.offer) and (bullet := next_bullet(standing)):
        body = standing.rstrip()
        note.offer, note.ending = newline_of(standing) + bullet, standing[len(body) :]
        note.area.offered = bullet
        note.area.change_to(body + note.offer)
    else:
        note.offer = note.ending = ""
        note.area.change_to(standing)
    note.seen = standing
    note.kept = note.text


def _shown(note: Open, text: str) -> str:
    """`text` as the area shows it: with the bullet that is offered at its end, if it is still there."""
    if note.offer and note.area.text.endswith(note.offer) and text.endswith(note.ending):
        return text[: len(text) - len(note.ending)] + note.offer
    return text


def _new_line(old: str, new: str) -> str:
    """The first line that `new` has and `old` has not, short."""
    known = set(old.split("\n"))
    found = next((line for line in new.split("\n") if line.strip() and line not in known), "(lines removed)")
    line = clean_line(found)
    return line if len(line) <= 60 else line[:59] + "…"
