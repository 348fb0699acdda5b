"""The form for a new version: its name, base, changed settings, ideas to try, and a summary drafted from these.

Everything is checked while it is typed, and nothing is written before "Create".
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.suggester import SuggestFromList
from textual.widgets import Input, Static, TextArea

from imgexp_tui.notebook import diff
from imgexp_tui.notebook.ideas.model import Idea, open_ideas_with_bases
from imgexp_tui.notebook.model import VERSION_NAME, Notebook, NotebookError, Version
from imgexp_tui.notebook.schema.settings import SETTINGS, SettingValue, closest_name
from imgexp_tui.text import clean_line, first_line
from imgexp_tui.tui.widgets.base.checkbox import BracketCheckbox
from imgexp_tui.tui.widgets.base.key_footer import KeyFooter
from imgexp_tui.tui.widgets.base.styled_view import StyledScreen
from imgexp_tui.tui.widgets.idea_list import IdeaPicker
from imgexp_tui.tui.widgets.notes.area import NoteArea
from imgexp_tui.tui.widgets.settings_area import SettingsArea
from imgexp_tui.views.notes import settings_input
from imgexp_tui.views.notes.settings_input import SettingLine


class NewVersionScreen(StyledScreen[str | None]):
    """Dismissed with the new version's name, or None if none was created.

    Args:
        lab: the lab's folder.
        notebook: the notebook as it was last read; saving reads the file again.
        base: the version to start from.
        ideas_to_try: ideas that are picked at first.
        changes: settings that are filled in at first.
    """

    CSS_PATH = "new_version.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide")]
    BINDINGS = [
        Binding("ctrl+s", "create", "Create"),
        Binding("tab", "app.focus_next", "Next field"),
        Binding("shift+tab", "app.focus_previous", "Previous field", show=False),
        Binding("f1", "app.help", "Keys"),
        Binding("escape", "cancel", "Cancel"),
    ]

    def __init__(
        self,
        lab: Path,
        notebook: Notebook,
        base: str,
        *,
        ideas_to_try: Sequence[Idea] = (),
        changes: Mapping[str, SettingValue] | None = None,
    ) -> None:
        super().__init__()
        self._lab = lab
        self._notebook = notebook
        self._initial_base = base
        self._initial_changes = settings_input.format_settings(changes or {})
        self._suggested_name = diff.suggest_version_name(notebook, base)
        self._drafted_summary = ""
        self._creating = False
        self._idea_picker = IdeaPicker(id="offer", ideas_to_try=ideas_to_try)

    def compose(self) -> ComposeResult:
        yield Static("New version", id="bar")
        with VerticalScroll(id="form", can_focus=False):
            with Horizontal(id="names"):
                yield Static("Name", classes="label")
                yield Input(self._suggested_name, id="name", compact=True, select_on_focus=False)
                yield Static("Base", classes="label")
                names = SuggestFromList(self._notebook.versions, case_sensitive=False)
                yield Input(self._initial_base, id="base", compact=True, suggester=names, select_on_focus=False)
                yield Static(id="about")
            with Horizontal(id="settings"):
                yield SettingsArea(id="changes", placeholder="batch_size = 512\none setting a line")
                yield Static(id="checks")
            yield self._idea_picker
            yield NoteArea(id="summary", placeholder="What is tried, and why.", tab_indents=False)
            yield BracketCheckbox("", id="carry", compact=True)
            yield Static(id="carried")
        yield Static(id="trouble")
        yield KeyFooter()

    def on_mount(self) -> None:
        self.query_one("#changes").border_title = "What changes"
        self.query_one("#summary").border_title = "Summary"
        self._idea_picker.border_title = "Open ideas: space picks what this version tries"
        changes = self.query_one("#changes", SettingsArea)
        changes.focus()
        if self._initial_changes:
            changes.load_text(self._initial_changes)
            changes.move_cursor(changes.document.end)
        self._update_for_base()

    @property
    def _base(self) -> Version | None:
        return self._notebook.versions.get(self.query_one("#base", Input).value.strip())

    @property
    def _new_name(self) -> str:
        return self.query_one("#name", Input).value.strip()

    def _parse_settings(self) -> list[SettingLine]:
        base = self._base
        known = None if base and base.command else SETTINGS
        return settings_input.parse_settings(self.query_one("#changes", SettingsArea).text, known)

    def _changes(self, typed: list[SettingLine]) -> list[diff.SettingChange]:
        """Returns what the typed settings change against the base; settings with the same value are left out."""
        train = self._base.train if self._base else self._notebook.defaults
        changes = []
        for line in typed:
            before = train.get(line.key)
            current = SETTINGS[line.key].default if before is None and line.key in SETTINGS else before
            if not line.fault and line.value != current:
                changes.append(diff.SettingChange(line.key, before, line.value))
        return changes

    def _name_fault(self) -> str:
        name = self._new_name
        if not VERSION_NAME.fullmatch(name):
            return "The name takes letters, digits, '.', '_' and '-', and starts with a letter or digit."
        same = next((v for v in self._notebook.versions if v.lower() == name.lower()), None)
        return f"{same} is there already; take another name." if same else ""

    def _base_fault(self) -> str:
        typed = self.query_one("#base", Input).value.strip()
        if not typed or self._base:
            return ""
        near = closest_name(typed, self._notebook.versions)
        return f"There is no version {clean_line(typed)}" + (f"; did you mean {near}?" if near else ".")

    def on_input_changed(self, event: Input.Changed) -> None:
        if event.input.id == "base":
            self._update_for_base()
        else:
            self._update_form()

    def on_input_submitted(self) -> None:
        self.focus_next()

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        if event.text_area.id == "changes":
            self._update_form()
        elif event.text_area is self.focused:  # a summary that was drafted here is not the focused area
            self._show_problem()

    def on_text_area_selection_changed(self, event: TextArea.SelectionChanged) -> None:
        if event.text_area.id == "changes":
            self._show_checks(self._parse_settings())

    def _update_for_base(self) -> None:
        base = self._base
        self.query_one("#changes", SettingsArea).completion_enabled = not (base and base.command)
        self.query_one("#about", Static).update(Content(first_line(base.summary) if base else ""))
        name = self.query_one("#name", Input)
        if base and name.value == self._suggested_name:
            self._suggested_name = diff.suggest_version_name(self._notebook, base.name)
            name.value = self._suggested_name
        self._idea_picker.show(open_ideas_with_bases(self._notebook, base.name) if base else [])
        self._show_open_takeaways(diff.unfinished_bullets(base.takeaways) if base else [])
        self._update_form()

    def _show_open_takeaways(self, points: list[str]) -> None:
        carry = self.query_one("#carry", BracketCheckbox)
        what = "1 open takeaway" if len(points) == 1 else f"{len(points)} open takeaways"
        carry.label = Content(f"Carry over {what} of {self._base.name}" if self._base and points else "")
        carry.display = bool(points)
        self.query_one("#carried", Static).update(Content("\n".join(clean_line(p) for p in points)))

    def on_idea_picker_toggled(self, event: IdeaPicker.Toggled) -> None:
        """Add the idea to the summary, or remove it; in a summary of the user's own, change that line alone."""
        summary = self.query_one("#summary", NoteArea)
        if summary.text not in ("", self._drafted_summary):
            lines, sentence = summary.text.rstrip("\n").split("\n"), diff.format_tried_idea(event.idea)
            if event.selected:
                lines.append(sentence)
            elif sentence in lines:
                lines.remove(sentence)
            summary.replace_text("\n".join(lines))
        self._update_form()

    def _update_form(self) -> None:
        """Show the checks, and draft the summary unless the user wrote one."""
        typed = self._parse_settings()
        self._show_checks(typed)
        self._show_problem()
        summary = self.query_one("#summary", NoteArea)
        if self._base and summary.text in ("", self._drafted_summary):
            self._drafted_summary = diff.draft_summary(
                self._base.name, self._changes(typed), self._idea_picker.ideas_to_try
            )
            summary.load_text(self._drafted_summary)

    def _show_problem(self) -> None:
        """Show what prevents creating the version now, in place of what a failed attempt showed."""
        self.query_one("#trouble", Static).update(Content(self._name_fault() or self._base_fault()))

    def _show_checks(self, typed: list[SettingLine]) -> None:
        row = self.query_one("#changes", SettingsArea).cursor_location[0]
        self.query_one("#checks", Static).update(_format_checks(typed, self._changes(typed), row + 1))

    def action_create(self) -> None:
        """Write the version into the notebook, if nothing is wrong."""
        typed = self._parse_settings()
        wrong = next((t for t in typed if t.fault), None)
        problem = self._name_fault() or self._base_fault()
        if wrong and not problem:
            problem = f"Line {wrong.line_number}: {wrong.key}: {wrong.fault}"
        if problem or self._creating:
            self.query_one("#trouble", Static).update(Content(problem))
            return
        self._creating = True
        self._create({t.key: t.value for t in typed if t.value is not None})

    @work(group="create")
    async def _create(self, train: dict[str, SettingValue]) -> None:
        from imgexp_tui.notebook.ideas.edits import add_version_trying

        name, base = self._new_name, self._base
        carried = (
            diff.unfinished_bullets(base.takeaways) if base and self.query_one("#carry", BracketCheckbox).value else []
        )
        call = partial(
            add_version_trying,
            self._lab,
            name,
            self._idea_picker.ideas_to_try,
            base=base.name if base else None,
            summary=self.query_one("#summary", NoteArea).text,
            takeaways="".join(f"{point}\n" for point in carried),
            train=train,
        )
        try:
            missed = await asyncio.to_thread(call)
        except (NotebookError, OSError) as error:
            self.query_one("#trouble", Static).update(Content(f"Not created: {error}"))
        else:
            for idea in missed:
                self.app.notify(f"Not ticked, it was changed meanwhile: {clean_line(idea.text)}", markup=False)
            self.dismiss(name)
        finally:
            self._creating = False

    @work(exclusive=True, group="cancel")
    async def action_cancel(self) -> None:
        """Go back; asks first if something would be lost."""
        summary = self.query_one("#summary", NoteArea).text
        if self._parse_settings() or summary not in ("", self._drafted_summary):
            from imgexp_tui.tui.screens.dialogs.confirm import ConfirmScreen

            question = f"Throw away what you typed for {clean_line(self._new_name) or 'the new version'}?"
            if not await self.app.push_screen_wait(ConfirmScreen(question, "Throw away", "Keep writing")):
                return
        self.dismiss(None)


def _format_checks(typed: list[SettingLine], changes: list[diff.SettingChange], current: int) -> Content:
    """Returns what each line changes, or what is wrong with it, and for the `current` line what the setting does.

    A fault in the line that is being typed is dimmed, not red.
    """
    if not typed:
        return Content.styled("Each line is checked while you type; → completes a name.", "dim")
    by_name = {c.name: c for c in changes}
    parts: list[tuple[str, str]] = []
    for line in typed:
        text, style = _format_check(line, by_name.get(line.key))
        parts.append((text, "dim" if line.fault and line.line_number == current else style))
        if line.key in SETTINGS and line.line_number == current:
            parts.append((f"  {SETTINGS[line.key].help}\n", "dim"))
    return Content.assemble(*parts)


def _format_check(line: SettingLine, change: diff.SettingChange | None) -> tuple[str, str]:
    if line.fault:
        return f"✗ {clean_line(line.key)}: {clean_line(line.fault)}\n", "bold $text-error"
    if change is None:
        return f"= {line.key} is {clean_line(str(line.value))} already\n", "dim"
    return f"✓ {clean_line(str(change))}\n", "$text-success"
