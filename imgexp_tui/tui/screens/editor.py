"""The editor of a version's notes: three text areas in one column, and the run's curves beside them.

Edits are not lost: a thread writes drafts while the user types (`services.notes.draft_writer`), saving merges with
what other programs wrote (`notebook.saving.save`), and leaving in any way saves. Files are read and written in threads.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial
from pathlib import Path

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from imgexp_tui.notebook.history.drafts import Draft
from imgexp_tui.notebook.model import NOTE_FIELDS
from imgexp_tui.notebook.saving.outcome import SaveOutcome
from imgexp_tui.services.clipboard import ClipboardWriter
from imgexp_tui.services.notes import external_editor, files
from imgexp_tui.services.notes.draft_writer import DraftWriter
from imgexp_tui.services.notes.sync import POLL_INTERVAL, NoteFileReader, NoteSync
from imgexp_tui.services.run_follower import VersionRunFollower
from imgexp_tui.text import join_names
from imgexp_tui.tui.terminal.suspended_editor import edit_in_terminal
from imgexp_tui.tui.textual_compat import set_local_clipboard
from imgexp_tui.tui.widgets.base.key_footer import KeyFooter
from imgexp_tui.tui.widgets.base.styled_view import StyledScreen
from imgexp_tui.tui.widgets.notes.area import NoteArea
from imgexp_tui.tui.widgets.notes.edited_note import EditedNote
from imgexp_tui.tui.widgets.notes.find_bar import FindBar
from imgexp_tui.tui.widgets.run_sidebar import RunSidebar
from imgexp_tui.views.notes.safe_characters import has_unsafe

_PLACEHOLDERS = {
    "summary": "What is tried in this version, and why.",
    "takeaways": "- What was learned. Enter goes on with the list, Tab nests.",
    "observed": "Stats noted by hand, such as GPU Memory Usage: 1,985/8,126 MB",
}


class EditorScreen(StyledScreen[str]):
    """Edits the notes of one version; dismissed with the version's name.

    Args:
        lab: the lab's folder.
        version: whose notes.
        field: the note to start in, one of `NOTE_FIELDS`.
        run: the run whose curves are displayed; "" for the newest run.
        line: the line of that note, 1-based, at whose end the cursor begins; 0 for the end of the note.
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
        Binding("f4,ctrl+o", "external_editor", "$EDITOR", tooltip="Open this note in your own editor"),
        Binding("f5", "history", "History", tooltip="Save, then show the saved states of this note"),
        Binding("f1", "app.help", "Keys"),
        Binding("escape", "leave", "Back", tooltip="Save and go back"),
    ]

    class DraftProblem(Message):
        """Drafts cannot be written, and why; "" when they can be written again."""

        def __init__(self, sentence: str) -> None:
            super().__init__()
            self.sentence = sentence

    def __init__(self, lab: Path, version: str, field: str = "takeaways", run: str = "", line: int = 0) -> None:
        super().__init__()
        self._lab = lab
        self._version = version
        self._notes = {
            name: EditedNote(name, NoteArea(id=name, placeholder=_PLACEHOLDERS[name])) for name in NOTE_FIELDS
        }
        self._current = self._notes[field]
        self._draft_writer = DraftWriter(lab, lambda sentence: self.post_message(self.DraftProblem(sentence)))
        # By field, because the focus may move while the notes are read.
        self._start_lines = {field: line} if line else {}
        self._run_follower = VersionRunFollower(lab, version, run)
        self._base_and_changes: tuple[str, tuple[str, ...]] = ("", ())
        self._polling_run = False
        self._save_lock = asyncio.Lock()
        self._note_sync = NoteSync(
            NoteFileReader(lab, version),
            self._notes,
            is_saving=lambda: self._save_lock.locked() or self._has_left,
            on_change=lambda name: self._update_draft(self._notes[name]),
            show_message=self._show_banner,
        )
        self._clipboard_writer = ClipboardWriter(lab, self._send_to_terminal)
        self._saved_at = ""
        self._has_left = False
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
            yield RunSidebar(self._version, id="glance")
        yield RunSidebar(self._version, below=True, id="glance-line")
        yield FindBar(id="find")
        yield KeyFooter(("history", "external_editor", "find"))

    def on_mount(self) -> None:
        for note in self._notes.values():
            note.area.read_only = True
            note.area.copy_callback = self._handle_copy
            note.area.edit_callback = partial(self._update_draft, note)
        self._current.area.focus()
        self._update_unsaved_marks()
        self._load_notes()
        self._poll_run()
        self.set_interval(1.0, self._poll_run)

    async def on_unmount(self) -> None:
        """Save what `action_leave` did not, because the app is being quit. If that fails, the draft stays."""
        async with self._save_lock:
            for note in self._notes.values():
                if note.dirty and not self._has_left:
                    result = await self._write(note, note.text)
                    if result.outcome is not SaveOutcome.FAILED:
                        self._draft_writer.schedule_removal(self._version, note.field)
        await asyncio.to_thread(self._draft_writer.close)

    @work(group="open")
    async def _load_notes(self) -> None:
        opened = await asyncio.to_thread(files.open_notes, self._lab, self._version)
        if not opened.texts:
            self.app.notify(opened.problem, severity="error", markup=False)
            self._has_left = True
            self.dismiss(self._version)
            return
        self._base_and_changes = (opened.base, opened.changes)
        for name, text in opened.texts.items():
            self._show_note(self._notes[name], text, editable=not opened.problem)
        self._show_banner(opened.problem or opened.notice or self._control_character_notice(), "warning")
        if not opened.problem:
            for name, draft in opened.drafts.items():
                await self._offer_draft(self._notes[name], draft)
        self.set_interval(POLL_INTERVAL, self._poll_file)

    @work(group="watch")
    async def _poll_file(self) -> None:
        """Show what other programs wrote to the file."""
        await self._note_sync.poll()

    def _show_note(self, note: EditedNote, text: str, *, editable: bool) -> None:
        note.load(text, editable=editable, line=self._start_lines.get(note.field, 0))
        if note is not self._current:
            self.call_after_refresh(note.area.scroll_home, animate=False)

    def _control_character_notice(self) -> str:
        odd = [note.field for note in self._notes.values() if has_unsafe(note.base_text)]
        if not odd:
            return ""
        return f"Signs such as ␛ in the {join_names(odd)} stand for control characters; they are saved as they were."

    async def _offer_draft(self, note: EditedNote, draft: Draft) -> None:
        """Let the user choose between the file's text and an unsaved draft."""
        from imgexp_tui.tui.screens.dialogs.draft_offer import DraftOfferScreen

        choice = await self.app.push_screen_wait(DraftOfferScreen(self._version, note.base_text, draft))
        if choice == "later":
            self._has_left = True
            self.dismiss(self._version)
            return
        note.has_draft = True
        self._activate(note)
        if choice == "restore":
            note.base_text = draft.seen
            note.area.replace_text(draft.text)
        elif choice == "both":
            note.area.replace_text(files.combine_texts(note.base_text, draft.text))
        else:
            self._update_draft(note)

    def _update_draft(self, note: EditedNote) -> None:
        """Write a draft of an unsaved note, and remove that of a saved one."""
        if note.dirty:
            note.has_draft = True
            self._draft_writer.schedule_write(Draft(self._version, note.field, note.text, note.base_text, time.time()))
        elif note.has_draft:
            note.has_draft = False
            self._draft_writer.schedule_removal(self._version, note.field)
        self._update_unsaved_marks()

    def on_descendant_focus(self) -> None:
        note = self._notes.get(self.focused.id or "") if self.focused else None
        if note:
            self._activate(note)

    def _activate(self, note: EditedNote) -> None:
        self._current = note
        for other in self._notes.values():
            other.area.set_class(other is note, "-active")
            if other is not note:
                other.area.scroll_home(animate=False)
        self.set_focus(note.area)  # at once, because the next key may have arrived already
        self.call_after_refresh(note.area.scroll_cursor_visible)

    def action_next_note(self) -> None:
        at = NOTE_FIELDS.index(self._current.field)
        self._activate(self._notes[NOTE_FIELDS[(at + 1) % len(NOTE_FIELDS)]])

    def action_toggle_box(self) -> None:
        self._current.area.toggle_box()

    def action_find(self) -> None:
        self.query_one(FindBar).open(self._current.area)

    def action_find_again(self, forward: bool) -> None:
        self.query_one(FindBar).find_again(self._current.area, forward=forward)

    def action_insert_update(self) -> None:
        self._current.area.insert_update()

    def action_insert_figure(self) -> None:
        """Choose a figure of the run, and insert it at the cursor."""
        from imgexp_tui.tui.screens.dialogs.figure_picker import FigurePickerScreen

        area = self._current.area
        if not area.read_only:
            read = partial(self._run_follower.quotable_figures, *self._base_and_changes)
            self.app.push_screen(
                FigurePickerScreen(self._version, read), lambda words: area.insert_with_spaces(words or "")
            )

    def _handle_copy(self, text: str) -> None:
        set_local_clipboard(self.app, text)  # for ctrl+v, at once
        self._copy_to_clipboards(text)

    @work(group="copy")
    async def _copy_to_clipboards(self, text: str) -> None:
        """Copy a text to every clipboard, and tell the user where it is."""
        sentence, has_problem = await self._clipboard_writer.copy(text)
        self.app.notify(sentence, severity="warning" if has_problem else "information", markup=False)

    def _send_to_terminal(self, text: str) -> None:
        self.app.copy_to_clipboard(text.encode("utf-8", "replace").decode())
        set_local_clipboard(self.app, text)

    def _update_unsaved_marks(self) -> None:
        """Mark unsaved notes with a dot, and show in the bar whether all is saved."""
        dirty = False
        for note in self._notes.values():
            dirty = dirty or note.dirty
            note.area.border_title = note.field.capitalize() + (" ●" if note.dirty else "")
        word = "saving…" if self._save_lock.locked() else "● unsaved" if dirty else self._saved_at
        state = self.query_one("#state", Static)
        state.set_class(dirty, "-unsaved")
        state.update(Content(word))

    @work(group="save")
    async def action_save(self) -> None:
        """Write every unsaved note to the notebook."""
        await self._save_all()

    async def _save_all(self) -> set[SaveOutcome]:
        """Save the unsaved notes and show the outcome. Returns the kinds of outcome that occurred."""
        outcomes = await self._save_dirty()
        sentences = [o.sentence for o in outcomes if o.sentence]
        kinds = {o.outcome for o in outcomes}
        if SaveOutcome.FAILED not in kinds:
            self._saved_at = f"saved {time.strftime('%H:%M:%S')}"
        self._show_banner(
            "\n".join(sentences), "error" if kinds & {SaveOutcome.FAILED, SaveOutcome.CONFLICT} else "warning"
        )
        self._update_unsaved_marks()
        return kinds

    async def _save_dirty(self) -> list[files.NoteSaveResult]:
        async with self._save_lock:
            self._update_unsaved_marks()
            return [await self._save_note(note) for note in self._notes.values() if note.dirty]

    async def _save_note(self, note: EditedNote) -> files.NoteSaveResult:
        text = note.text
        outcome = await self._write(note, text)
        if outcome.outcome is SaveOutcome.FAILED:
            return outcome
        # What was typed during the save is an edit of the text that was being saved.
        note.base_text = note.saved_text = text
        if note.text == text:
            if outcome.text != text:
                note.area.replace_text(outcome.text)
            note.base_text, note.saved_text = outcome.text, note.text
        self._update_draft(note)
        return outcome

    async def _write(self, note: EditedNote, text: str) -> files.NoteSaveResult:
        call = partial(files.save, self._lab, self._version, note.field, text, original=note.base_text)
        return await asyncio.to_thread(call)

    def action_leave(self) -> None:
        """Save, then go back. Asks first if saving failed; stays if texts are in conflict, to show them."""
        if not self._leaving:
            self._leaving = True
            areas = [note.area for note in self._notes.values() if not note.area.read_only]
            for area in areas:  # keys typed from now on are meant for the next screen
                area.read_only = True
            self._leave(areas)

    @work(group="leave")
    async def _leave(self, areas: list[NoteArea]) -> None:
        try:
            kinds = await self._save_all()
            if SaveOutcome.CONFLICT in kinds or (SaveOutcome.FAILED in kinds and not await self._confirm_leave()):
                return
            self._has_left = True
            if SaveOutcome.MERGED in kinds:
                self.app.notify("Merged with a change made elsewhere, and saved.", markup=False)
            await asyncio.to_thread(self._draft_writer.flush)
            self.dismiss(self._version)
        finally:
            self._leaving = False
            for area in areas:
                area.read_only = self._has_left

    async def _confirm_leave(self) -> bool:
        from imgexp_tui.tui.screens.dialogs.confirm import ConfirmScreen

        question = "These notes could not be saved. Leave anyway? Your text is kept as a draft and offered next time."
        confirmed: bool = await self.app.push_screen_wait(ConfirmScreen(question, "Leave", "Stay"))
        return confirmed

    @work(exclusive=True, group="history")
    async def action_history(self) -> None:
        """Show the saved states of this note. Saves first, so that nothing is unsaved when a state is brought back."""
        from imgexp_tui.tui.screens.history import HistoryScreen

        await self._save_all()
        self.app.push_screen(HistoryScreen(self._lab, self._version, self._current.field))

    @work(exclusive=True, group="external_editor")
    async def action_external_editor(self) -> None:
        """Open the note in `$EDITOR`. Its result is one edit, and is saved."""
        note = self._current
        if note.area.read_only:
            return
        text = note.text
        try:
            argv = external_editor.editor_command()
            await asyncio.to_thread(self._draft_writer.flush)
            path = await asyncio.to_thread(external_editor.write_edit_file, self._lab, self._version, note.field, text)
            try:
                edit_in_terminal(self.app, argv, path)
            finally:
                self.refresh()
            new = await asyncio.to_thread(external_editor.read_edit_file, path, text)
        except external_editor.ExternalEditorError as error:
            self._show_banner(str(error), "error")
            return
        note.area.replace_text(new)
        await self._save_all()

    def _show_banner(self, sentence: str, severity: str) -> None:
        """Show a sentence above the notes; "" removes the banner."""
        banner = self.query_one("#banner", Static)
        banner.update(Content(sentence))
        banner.set_classes(f"-{severity}" if sentence else "")

    def on_editor_screen_draft_problem(self, message: DraftProblem) -> None:
        self._show_banner(message.sentence, "error")

    @work(group="sidebar")
    async def _poll_run(self) -> None:
        """Read the run and show it in the sidebar."""
        if self._polling_run:
            return
        self._polling_run = True
        try:
            run = await asyncio.to_thread(self._run_follower.poll)
        except OSError:
            return
        finally:
            self._polling_run = False
        for sidebar in self.query(RunSidebar):
            sidebar.show(run)
