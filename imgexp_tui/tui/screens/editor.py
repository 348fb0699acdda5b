"""The editor of a version's notes: three text areas in one column, the focused one large, the run's curves beside.

An edit is never lost: a thread keeps drafts while one types (`drafts`), saving merges with what others wrote
(`notebook.save`), and leaving in any way saves. Files are touched in threads only.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from textual import work
from textual.app import ComposeResult, SuspendNotSupported
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from imgexp_tui.notebook.history.drafts import Draft
from imgexp_tui.notebook.model import FIELDS
from imgexp_tui.services import clipboard
from imgexp_tui.services.notes import external_editor, files
from imgexp_tui.services.notes.draft_writer import DraftKeeper
from imgexp_tui.services.notes.sync import PACE, NoteFile, NoteWatch
from imgexp_tui.services.run_follower import RunGlancer
from imgexp_tui.text import listed
from imgexp_tui.tui.widgets.base.key_footer import KeyFooter
from imgexp_tui.tui.widgets.base.styled_view import LineScreen
from imgexp_tui.tui.widgets.notes.area import NoteArea
from imgexp_tui.tui.widgets.notes.find_bar import FindBar
from imgexp_tui.tui.widgets.run_sidebar import RunGlance
from imgexp_tui.views.notes.bullets import next_bullet
from imgexp_tui.views.notes.safe_characters import has_unsafe, newline_of

_HINTS = {
    "summary": "What is tried in this version, and why.",
    "takeaways": "- What was learned. Enter goes on with the list, Tab nests.",
    "observed": "Stats noted by hand, such as GPU Memory Usage: 1,985/8,126 MB",
}


@dataclass(slots=True)
class Note:
    """One note under edit.

    Attributes:
        seen: the file's text that this edit started from.
        kept: what the note says while nothing is unsaved.
        drafted: whether a draft may stand in the state folder.
        offer: what the area has at its end beyond the file's text: a new bullet, ready to be filled.
        ending: what the file's text has there.
    """

    field: str
    area: NoteArea
    seen: str = ""
    kept: str = ""
    drafted: bool = False
    offer: str = ""
    ending: str = ""

    @property
    def text(self) -> str:
        """What is saved: the area's text without a bullet that was offered and not filled."""
        text = self.area.text
        return text.removesuffix(self.offer) + self.ending if self.offer and text.endswith(self.offer) else text

    @property
    def dirty(self) -> bool:
        return self.text != self.kept


class EditorScreen(LineScreen[str]):
    """Edits the notes of one version; dismissed with the version's name.

    Args:
        lab: the lab's folder.
        version: whose notes.
        field: the note to start in, one of `FIELDS`.
        run: whose curves stand beside; "" for the newest run.
        line: of that note, 1-based, at whose end the cursor begins; 0 where that is left to the note.
    """

    CSS_PATH = "editor.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-low"), (18, "-high")]
    BINDINGS = [
        Binding("ctrl+s", "save", "Save"),
        Binding("ctrl+n", "next_note", "Next", tooltip="Next note: summary, takeaways, observed"),
        Binding("ctrl+g,f2", "insert_figure", "Figure", tooltip="Put in a figure of the run: best loss, memory, …"),
        Binding("ctrl+l,f6", "toggle_box", "Box", tooltip="Tick this line's box, or give it one: - [ ]"),
        Binding("ctrl+f", "find", "Find", tooltip="Search in this note"),
        Binding("f3", "find_again(True)", "Next hit", show=False),
        Binding("shift+f3", "find_again(False)", "Previous hit", show=False),
        Binding("ctrl+t", "insert_update", "Dated mark", tooltip="Put in [UPDATE date: ] for a later remark"),
        Binding("f4,ctrl+o", "outside", "$EDITOR", tooltip="Open this note in your own editor"),
        Binding("f5", "history", "History", tooltip="Save, then show the saved states of this note"),
        Binding("f1", "app.help", "Keys"),
        Binding("escape", "leave", "Back", tooltip="Save and go back"),
    ]

    class DraftTrouble(Message):
        """Drafts cannot be written (or, with "", can again)."""

        def __init__(self, sentence: str) -> None:
            super().__init__()
            self.sentence = sentence

    def __init__(self, lab: Path, version: str, field: str = "takeaways", run: str = "", line: int = 0) -> None:
        super().__init__()
        self._lab = lab
        self._version = version
        self._notes = {name: Note(name, NoteArea(id=name, placeholder=_HINTS[name])) for name in FIELDS}
        self._current = self._notes[field]
        self._keeper = DraftKeeper(lab, lambda sentence: self.post_message(self.DraftTrouble(sentence)))
        self._lines = {field: line} if line else {}  # where the cursor begins; the focus moves while notes are read
        self._glancer = RunGlancer(lab, version, run)
        self._against: tuple[str, tuple[str, ...]] = ("", ())
        self._looking = False
        self._saving = asyncio.Lock()
        self._watch = NoteWatch(
            NoteFile(lab, version),
            self._notes,
            busy=lambda: self._saving.locked() or self._left,
            followed=lambda name: self._follow(self._notes[name]),
            say=self._say,
        )
        self._copying = asyncio.Lock()
        self._told_of_copies = False
        self._saved_at = ""
        self._left = False
        self._leaving = False

    def compose(self) -> ComposeResult:
        with Horizontal(id="bar"):
            yield Static(Content(f"{self._version} · notes"), id="name")
            yield Static(id="state")
        yield Static(id="banner")
        with Horizontal(id="body"):
            with Vertical(id="notes"):
                for note in self._notes.values():
                    yield note.area
            yield RunGlance(self._version, id="glance")
        yield RunGlance(self._version, below=True, id="glance-line")
        yield FindBar(id="find")
        yield KeyFooter(("history", "outside", "find"))

    def on_mount(self) -> None:
        for note in self._notes.values():
            note.area.read_only = True
            note.area.copied = self._copied
            note.area.edited = partial(self._follow, note)
        self._current.area.focus()
        self._mark()
        self._open()
        self._look()
        self.set_interval(1.0, self._look)

    async def on_unmount(self) -> None:
        """The app is being quit: what `leave` did not save is saved now; the draft stays where that fails."""
        async with self._saving:
            for note in self._notes.values():
                if note.dirty and not self._left:
                    outcome = await self._write(note, note.text)
                    if outcome.kind != "failed":
                        self._keeper.drop(self._version, note.field)
        await asyncio.to_thread(self._keeper.close)

    # Opening

    @work(group="open")
    async def _open(self) -> None:
        opened = await asyncio.to_thread(files.open_notes, self._lab, self._version)
        if not opened.texts:
            self.app.notify(opened.trouble, severity="error", markup=False)
            self._left = True
            self.dismiss(self._version)
            return
        self._against = (opened.base, opened.changes)
        for name, text in opened.texts.items():
            self._show(self._notes[name], text, editable=not opened.trouble)
        self._say(opened.trouble or opened.notice or self._signs(), "warning")
        if not opened.trouble:
            for name, draft in opened.drafts.items():
                await self._offer(self._notes[name], draft)
        self.set_interval(PACE, self._watch_file)

    @work(group="watch")
    async def _watch_file(self) -> None:
        """Show what others write to the file."""
        await self._watch.look()

    def _show(self, note: Note, text: str, *, editable: bool) -> None:
        bullet = next_bullet(text) if editable and note.field == "takeaways" else ""
        if bullet:
            body, newline = text.rstrip(), newline_of(text)
            note.offer, note.ending = newline + bullet, text[len(body) :]
            text = body + note.offer
        note.area.load_text(text)
        note.area.offered = bullet
        line = self._lines.get(note.field)
        at = note.area.line_end(line) if line else _begin_at(text)
        note.area.move_cursor(at or note.area.document.end, center=bool(line))
        note.seen = note.kept = note.text
        note.area.read_only = not editable
        if note is not self._current:
            self.call_after_refresh(note.area.scroll_home, animate=False)

    def _signs(self) -> str:
        odd = [note.field for note in self._notes.values() if has_unsafe(note.seen)]
        if not odd:
            return ""
        return f"Signs such as ␛ in the {listed(odd)} stand for control characters; they are saved as they were."

    async def _offer(self, note: Note, draft: Draft) -> None:
        """Let the user choose between the file's text and what was typed but not saved."""
        from imgexp_tui.tui.screens.draft_offer import DraftScreen

        choice = await self.app.push_screen_wait(DraftScreen(self._version, note.seen, draft))
        if choice == "later":
            self._left = True
            self.dismiss(self._version)
            return
        note.drafted = True
        self._activate(note)
        if choice == "restore":
            note.seen = draft.seen
            note.area.change_to(draft.text)
        elif choice == "both":
            note.area.change_to(files.both(note.seen, draft.text))
        else:
            self._follow(note)

    # Typing

    def _follow(self, note: Note) -> None:
        """Keep the draft in step with the text."""
        if note.dirty:
            note.drafted = True
            self._keeper.keep(Draft(self._version, note.field, note.text, note.seen, time.time()))
        elif note.drafted:
            note.drafted = False
            self._keeper.drop(self._version, note.field)
        self._mark()

    def on_descendant_focus(self) -> None:
        note = self._notes.get(self.focused.id or "") if self.focused else None
        if note:
            self._activate(note)

    def _activate(self, note: Note) -> None:
        self._current = note
        for other in self._notes.values():
            other.area.set_class(other is note, "-active")
            if other is not note:
                other.area.scroll_home(animate=False)
        self.set_focus(note.area)  # at once, because the next key may be here already
        self.call_after_refresh(note.area.scroll_cursor_visible)

    def action_next_note(self) -> None:
        at = FIELDS.index(self._current.field)
        self._activate(self._notes[FIELDS[(at + 1) % len(FIELDS)]])

    def action_toggle_box(self) -> None:
        self._current.area.toggle_box()

    def action_find(self) -> None:
        self.query_one(FindBar).open(self._current.area)

    def action_find_again(self, forward: bool) -> None:
        self.query_one(FindBar).again(self._current.area, forward=forward)

    def action_insert_update(self) -> None:
        self._current.area.insert_update()

    def action_insert_figure(self) -> None:
        """Choose a figure of the run, and put it in at the cursor."""
        from imgexp_tui.tui.screens.figure_picker import FigureScreen

        area = self._current.area
        if not area.read_only:
            look = partial(self._glancer.figures, *self._against)
            self.app.push_screen(FigureScreen(self._version, look), lambda words: area.insert_words(words or ""))

    def _copied(self, text: str) -> None:
        self.app._clipboard = text  # for ctrl+v, at once
        self._hand_out(text)

    @work(group="copy")
    async def _hand_out(self, text: str) -> None:
        """Give what was copied to the terminal, and say where it is."""
        async with self._copying:
            handed = await asyncio.to_thread(clipboard.hand_out, self._lab, text)
            if handed.escape:
                self.app.copy_to_clipboard(text.encode("utf-8", "replace").decode())
                self.app._clipboard = text
        said = clipboard.sentence(text, handed, first=not self._told_of_copies)
        self._told_of_copies = True
        self.app.notify(said, severity="warning" if handed.trouble else "information", markup=False)

    def _mark(self) -> None:
        """Say what is unsaved: a dot at the note and in the bar, and a word."""
        dirty = False
        for note in self._notes.values():
            dirty = dirty or note.dirty
            note.area.border_title = note.field.capitalize() + (" ●" if note.dirty else "")
        word = "saving…" if self._saving.locked() else "● unsaved" if dirty else self._saved_at
        state = self.query_one("#state", Static)
        state.set_class(dirty, "-unsaved")
        state.update(Content(word))

    # Saving

    @work(group="save")
    async def action_save(self) -> None:
        """Write every unsaved note to the notebook."""
        await self._save_all()

    async def _save_all(self) -> set[str]:
        """Save and say so. Returns the kinds of outcome that there were."""
        outcomes = await self._save_dirty()
        sentences = [o.sentence for o in outcomes if o.sentence]
        kinds = {o.kind for o in outcomes}
        if "failed" not in kinds:
            self._saved_at = f"saved {time.strftime('%H:%M:%S')}"
        self._say("\n".join(sentences), "error" if kinds & {"failed", "conflict"} else "warning")
        self._mark()
        return kinds

    async def _save_dirty(self) -> list[files.Outcome]:
        async with self._saving:
            self._mark()
            return [await self._save_note(note) for note in self._notes.values() if note.dirty]

    async def _save_note(self, note: Note) -> files.Outcome:
        text = note.text
        outcome = await self._write(note, text)
        if outcome.kind == "failed":
            return outcome
        # What was typed during the save starts from the text that was being saved.
        note.seen = note.kept = text
        if note.text == text:
            if outcome.text != text:
                note.area.change_to(outcome.text)
            note.seen, note.kept = outcome.text, note.text
        self._follow(note)
        return outcome

    async def _write(self, note: Note, text: str) -> files.Outcome:
        call = partial(files.save, self._lab, self._version, note.field, text, seen=note.seen)
        return await asyncio.to_thread(call)

    def action_leave(self) -> None:
        """Save, then go back. What cannot be saved is asked about; texts in conflict are shown first."""
        if not self._leaving:
            self._leaving = True
            areas = [note.area for note in self._notes.values() if not note.area.read_only]
            for area in areas:  # what is typed from now on is meant for what comes next
                area.read_only = True
            self._leave(areas)

    @work(group="leave")
    async def _leave(self, areas: list[NoteArea]) -> None:
        try:
            kinds = await self._save_all()
            if "conflict" in kinds or ("failed" in kinds and not await self._may_leave()):
                return
            self._left = True
            if "merged" in kinds:
                self.app.notify("Merged with a change made elsewhere, and saved.", markup=False)
            await asyncio.to_thread(self._keeper.flush)
            self.dismiss(self._version)
        finally:
            self._leaving = False
            for area in areas:
                area.read_only = self._left

    async def _may_leave(self) -> bool:
        from imgexp_tui.tui.screens.confirm import ConfirmScreen

        question = "These notes could not be saved. Leave anyway? Your text is kept as a draft and offered next time."
        leave: bool = await self.app.push_screen_wait(ConfirmScreen(question, "Leave", "Stay"))
        return leave

    @work(exclusive=True, group="history")
    async def action_history(self) -> None:
        """Show the states of this note. It is saved first, so that bringing one back finds nothing unsaved."""
        from imgexp_tui.tui.screens.history import HistoryScreen

        await self._save_all()
        self.app.push_screen(HistoryScreen(self._lab, self._version, self._current.field))

    # The user's own editor

    @work(exclusive=True, group="outside")
    async def action_outside(self) -> None:
        """Open the note in `$EDITOR`; what comes back is one edit, saved."""
        note = self._current
        if note.area.read_only:
            return
        text = note.text
        try:
            argv = external_editor.command()
            await asyncio.to_thread(self._keeper.flush)
            path = await asyncio.to_thread(external_editor.hand_over, self._lab, self._version, note.field, text)
            self._run_outside(argv, path)
            new = await asyncio.to_thread(external_editor.take_back, path, text)
        except external_editor.OutsideError as error:
            self._say(str(error), "error")
            return
        note.area.change_to(new)
        await self._save_all()

    def _run_outside(self, argv: list[str], path: Path) -> None:
        """Lend the terminal to the editor. Textual does not resume after an exception, so none passes through."""
        trouble = None
        try:
            with self.app.suspend():
                try:
                    external_editor.edit(argv, path)
                except external_editor.OutsideError as error:
                    trouble = error
        except SuspendNotSupported:
            trouble = external_editor.OutsideError("This terminal cannot be lent to an editor.")
        self.refresh()
        if trouble:
            raise trouble

    # What is said

    def _say(self, sentence: str, manner: str) -> None:
        """Show a sentence above the notes; "" removes it."""
        banner = self.query_one("#banner", Static)
        banner.update(Content(sentence))
        banner.set_classes(f"-{manner}" if sentence else "")

    def on_editor_screen_draft_trouble(self, message: DraftTrouble) -> None:
        self._say(message.sentence, "error")

    @work(group="glance")
    async def _look(self) -> None:
        """Show the run as it stands."""
        if self._looking:
            return
        self._looking = True
        try:
            run = await asyncio.to_thread(self._glancer.look)
        except OSError:
            return
        finally:
            self._looking = False
        for shown in self.query(RunGlance):
            shown.tell(run)


def _begin_at(text: str) -> tuple[int, int] | None:
    """Behind an empty bullet that ends the note, which is there to be filled; None without one."""
    last = len(text.rstrip().split("\n")) - 1
    line = text.split("\n")[last].rstrip("\r")
    return (last, len(line)) if line.strip() in ("-", "*", "+") else None
