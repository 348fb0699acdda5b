"""The dialog that asks in which version an idea was tried; Enter accepts the newest."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.suggester import SuggestFromList
from textual.widgets import Input, Static

from imgexp_tui.notebook.ideas.model import Idea, suggest_tried_in
from imgexp_tui.notebook.model import Notebook
from imgexp_tui.notebook.schema.settings import closest_name
from imgexp_tui.text import clean_line, truncate

_MAX_IDEA_CELLS = 300


class IdeaTriedScreen(ModalScreen[str | None]):
    """Dismissed with the version's name, "" for none, or None to leave the idea open."""

    CSS_PATH = "idea_tried.tcss"
    BINDINGS = [
        Binding("enter", "accept", "Tick", tooltip="Tick it as tried in this version"),
        Binding("escape", "dismiss(None)", "Leave it open"),
    ]

    def __init__(self, notebook: Notebook, idea: Idea) -> None:
        super().__init__()
        self._notebook = notebook
        self._idea = idea

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            yield Static(Content(truncate(clean_line(self._idea.text), _MAX_IDEA_CELLS)), id="idea")
            yield Static(
                "Tried in which version? Enter ticks it, Escape leaves it open. Empty: none is named.", id="question"
            )
            names = SuggestFromList(self._notebook.versions, case_sensitive=False)
            yield Input(suggest_tried_in(self._notebook, self._idea), id="tried", compact=True, suggester=names)
            yield Static(id="trouble")

    def on_mount(self) -> None:
        self.query_one(Input).focus()

    def on_input_changed(self) -> None:
        self.query_one("#trouble", Static).update("")

    def on_input_submitted(self) -> None:
        self.action_accept()

    def action_accept(self) -> None:
        typed = self.query_one(Input).value.strip()
        name = next((v for v in self._notebook.versions if v.lower() == typed.lower()), None)
        if typed in self._notebook.versions or not typed:
            name = typed
        if name is None:
            near = closest_name(typed, self._notebook.versions)
            hint = f"; did you mean {near}?" if near else "."
            self.query_one("#trouble", Static).update(Content(f"There is no version {clean_line(typed)}{hint}"))
            return
        self.dismiss(name)
