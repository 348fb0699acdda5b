"""The help screen: the keys of all screens, read from their bindings, and a legend of words and symbols.

The keys of the screen from which it was opened come first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen, Screen
from textual.widget import Widget
from textual.widgets import Footer, Static, TextArea

_LEGEND = (
    ("●", "beside a note: not saved yet; it is kept as a draft all the same, and offered if the app should end"),
    ("chance", "the loss or accuracy that guessing reaches; a run that stays there learns nothing"),
    ("best", "the lowest valid/loss so far (train/loss where nothing is validated), and its epoch"),
    ("!! ! i", "how much a finding matters: the run is worth little as it is, better looked at, good to know"),
    ("best, pale", "in the table: the best of the version's other runs, while the shown one has none"),
    ("lost", "the run ended and nobody saw how; its record is whole up to there"),
    ("no heartbeat", "its process is alive, but nothing was written for a while (heartbeat in [lab], seconds)"),
)
_TERMINAL_RESERVED = ("super+", "alt+", "shift+ctrl")


class HelpScreen(ModalScreen[None]):
    """All keys, in a scrolling box."""

    CSS_PATH = "help.tcss"
    BINDINGS = [
        Binding("escape,q,question_mark,f1", "dismiss", "Close"),
        Binding("j", "scroll('down')", "Down", show=False),
        Binding("k", "scroll('up')", "Up", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._listed_keys: set[tuple[str, str]] = set()

    @property
    def _opened_from(self) -> type[Screen[Any]] | None:
        """The class of the screen from which the help was opened."""
        below = self.app.screen_stack[: self.app.screen_stack.index(self)]
        return type(below[-1]) if below else None

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="box"):
            yield from self._sections()
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        box = self.query_one("#box")
        box.border_title = "Keys"
        box.focus()
        self.watch(box, "scroll_y", self._update_more_hint)
        self.watch(box, "virtual_size", self._update_more_hint)

    def on_resize(self) -> None:
        self.call_after_refresh(self._update_more_hint)

    def _update_more_hint(self) -> None:
        """Show in the frame whether there is more below."""
        box = self.query_one("#box")
        box.border_subtitle = "more below ↓" if box.scroll_y < box.max_scroll_y else ""

    def action_scroll(self, direction: str) -> None:
        box = self.query_one("#box", VerticalScroll)
        (box.scroll_down if direction == "down" else box.scroll_up)(animate=False)

    def _sections(self) -> Iterator[Widget]:
        from imgexp_tui.tui.screens.charts import ChartsScreen
        from imgexp_tui.tui.screens.compare import CompareScreen
        from imgexp_tui.tui.screens.dialogs.commit import CommitScreen
        from imgexp_tui.tui.screens.dialogs.version_menu import VersionMenu
        from imgexp_tui.tui.screens.editor import EditorScreen
        from imgexp_tui.tui.screens.findings import FindingsScreen
        from imgexp_tui.tui.screens.history import HistoryScreen
        from imgexp_tui.tui.screens.ideas import IdeasScreen
        from imgexp_tui.tui.screens.log import LogScreen
        from imgexp_tui.tui.screens.main.screen import MainScreen
        from imgexp_tui.tui.screens.monitor import MonitorScreen
        from imgexp_tui.tui.screens.new_version import NewVersionScreen
        from imgexp_tui.tui.screens.predictions import PredictionsScreen
        from imgexp_tui.tui.screens.queue import QueueScreen
        from imgexp_tui.tui.screens.search import SearchScreen
        from imgexp_tui.tui.screens.side_by_side import SideBySideScreen
        from imgexp_tui.tui.widgets.idea_list import IdeaPicker
        from imgexp_tui.tui.widgets.notes.area import NoteArea
        from imgexp_tui.tui.widgets.notes.find_bar import FindInput

        palette = Binding(self.app.COMMAND_PALETTE_BINDING, "command_palette", "Every command by its name")
        sections: list[tuple[str, list[BindingType], type[Screen[Any]] | None]] = [
            ("Versions and runs", MainScreen.BINDINGS, MainScreen),
            ("Version (v)", VersionMenu.BINDINGS, VersionMenu),
            ("Search (/)", SearchScreen.BINDINGS, SearchScreen),
            ("Everywhere", [*type(self.app).BINDINGS, *App.BINDINGS, palette], None),
            ("Writing notes", [*EditorScreen.BINDINGS, *NoteArea.BINDINGS], EditorScreen),
            ("History of notes", HistoryScreen.BINDINGS, HistoryScreen),
            ("Committing the notebook", CommitScreen.BINDINGS, CommitScreen),
            ("Searching in a note", FindInput.BINDINGS, None),
            ("The queue", QueueScreen.BINDINGS, QueueScreen),
            ("The machine", MonitorScreen.BINDINGS, MonitorScreen),
            ("A run's log", LogScreen.BINDINGS, LogScreen),
            ("Findings", FindingsScreen.BINDINGS, FindingsScreen),
            ("What the model answered", PredictionsScreen.BINDINGS, PredictionsScreen),
            ("Charts", ChartsScreen.BINDINGS, ChartsScreen),
            ("Comparing versions", CompareScreen.BINDINGS, CompareScreen),
            ("Side by side", SideBySideScreen.BINDINGS, SideBySideScreen),
            ("New version", [*NewVersionScreen.BINDINGS, *IdeaPicker.BINDINGS], NewVersionScreen),
            ("Next: open ideas", IdeasScreen.BINDINGS, IdeasScreen),
        ]
        sections.sort(key=lambda section: section[2] is not self._opened_from)
        for title, bindings, _ in sections:
            yield from self._section(title, bindings)
        yield from _rows("What is what", _LEGEND)
        yield from self._section("Moving and marking in a text", TextArea.BINDINGS)

    def _section(self, title: str, bindings: Iterable[BindingType]) -> Iterator[Widget]:
        """Yields keys and what they do: the keys of an action in one row, and none twice."""
        rows: list[tuple[str, str]] = []
        for binding in map(_to_binding, bindings):
            keys = [k for k in binding.key.split(",") if not k.startswith(_TERMINAL_RESERVED)]
            row = (
                binding.key_display or " ".join(map(self._display_key, keys)),
                binding.tooltip or binding.description,
            )
            if binding.description and keys and row not in self._listed_keys and row[0] not in dict(rows):
                self._listed_keys.add(row)
                rows.append(row)
        yield from _rows(title, rows)

    def _display_key(self, key: str) -> str:
        return self.app.get_key_display(Binding(key.strip(), "", ""))


def _to_binding(binding: BindingType) -> Binding:
    return binding if isinstance(binding, Binding) else Binding(*binding)


def _rows(title: str, rows: Sequence[tuple[str, str]]) -> Iterator[Widget]:
    if rows:
        yield Static(Content(title), classes="title")
        for keys, what in rows:
            yield Horizontal(
                Static(Content(keys), classes="keys"), Static(Content(what), classes="what"), classes="row"
            )
