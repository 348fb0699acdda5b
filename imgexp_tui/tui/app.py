"""The terminal app. It owns the screens' order and nothing else: data comes from the main screen's watcher."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual._compositor import CompositorUpdate
from textual.app import App
from textual.binding import Binding
from textual.screen import Screen

from imgexp_tui.services.notes.draft_writer import flush_on_signals
from imgexp_tui.tui import theme
from imgexp_tui.tui.screens.main.screen import MainScreen
from imgexp_tui.tui.terminal.cell_diff import CellDiffer, PreparedUpdate

if TYPE_CHECKING:
    from rich.console import RenderableType
    from textual import events
    from textual.app import SystemCommand

_SWITCH_INTERVAL = 0.0005
"""Seconds for which a thread may hold the interpreter while another wants it."""


class LabApp(App[None]):
    """The app on one lab.

    Args:
        lab: its folder.
        ascii_only: draw with ASCII signs only.
    """

    TITLE = "imgexp-tui"
    # Textual loads a screen's own style sheet when it is pushed, which the default screen never is.
    CSS_PATH = Path(__file__).parent / "screens" / "main" / "screen.tcss"
    ENABLE_COMMAND_PALETTE = True
    NOTIFICATION_TIMEOUT = 3
    """Seconds that a remark stands over what is below it."""
    BINDINGS = [
        Binding("ctrl+p", "command_palette", "Commands", show=False, tooltip="Every command by its name"),
        Binding("ctrl+l", "redraw", "Redraw", show=False, tooltip="Draw the screen anew"),
        Binding("ctrl+q", "quit", "Quit", show=False, priority=True, tooltip="Quit; runs go on"),
    ]

    def __init__(self, lab: Path, *, ascii_only: bool = False) -> None:
        few = theme.has_few_colours()
        # Known before the app is made, because that decides whether the terminal's own colours are translated.
        super().__init__(ansi_color=few or None)
        if ascii_only:
            from imgexp_tui.tui.terminal.ascii_filter import AsciiFilter

            self._filters.append(AsciiFilter())
        self._lab = lab
        self._output = CellDiffer()
        self._event_loop: asyncio.AbstractEventLoop | None = None
        self.register_theme(theme.DARK)
        self.register_theme(theme.LIGHT)
        self.set_reactive(App.theme, theme.initial_theme(few_colours=few))
        # The style sheet took its colours from the default theme before ours was chosen.
        self.stylesheet.set_variables(self.get_css_variables())

    def get_default_screen(self) -> Screen[Any]:
        return MainScreen(self._lab)

    def on_mount(self) -> None:
        self._event_loop = asyncio.get_running_loop()

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        # Textual has no public place for this. What it would not send (a batch, no terminal) is not taken for sent.
        sent = (
            self._driver is not None and self._running and not (self._batch_count or self._closed or self.is_headless)
        )
        if sent and isinstance(renderable, CompositorUpdate):
            changes = self._output.encode_changes(renderable, self.console, (self.size.width, self.size.height))
            if changes is not None:
                moved = self.screen.outer_size.clamp_offset(self.cursor_position) != self._previous_cursor_position
                renderable = PreparedUpdate(changes) if changes or moved else None
        super()._display(screen, renderable)

    async def _on_resize(self, event: events.Resize) -> None:
        self._output.invalidate()
        await super()._on_resize(event)

    def action_redraw(self) -> None:
        """Send the whole screen again."""
        self._output.invalidate()
        self.screen.refresh()

    def get_system_commands(self, screen: Screen[Any]) -> Iterator[SystemCommand]:
        from imgexp_tui.tui.command_palette import palette_commands

        yield from palette_commands(screen)

    def action_help(self) -> None:
        from imgexp_tui.tui.screens.help import HelpScreen

        self.push_screen(HelpScreen())

    def action_toggle_theme(self) -> None:
        """Dark to light or back, remembered for the next start."""
        self.theme = theme.opposite_theme(self.theme, dark=self.current_theme.dark)
        theme.save_theme(dark=self.current_theme.dark)

    def exit_from_signal(self) -> None:
        """End the app from a signal handler, giving the terminal back."""
        if self._event_loop:
            self._event_loop.call_soon_threadsafe(self.exit, None, 143)


def run(lab: Path, *, ascii_only: bool = False) -> int:
    """Open the app on a lab; the exit code."""
    app = LabApp(lab, ascii_only=ascii_only)
    # A key waits for the watching thread at each turn of the event loop; five milliseconds each, if Python has its way.
    sys.setswitchinterval(_SWITCH_INTERVAL)
    with flush_on_signals(app.exit_from_signal):
        app.run()
    return app.return_code or 0
