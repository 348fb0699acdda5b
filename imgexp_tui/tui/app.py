"""The Textual app: opens the main screen, sends changed cells to the terminal, and has the keys of every screen.

Data comes from the main screen's watcher.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.app import App
from textual.binding import Binding
from textual.screen import Screen

from imgexp_tui.services.notes.draft_writer import flush_on_signals
from imgexp_tui.tui import theme
from imgexp_tui.tui.screens.main.screen import MainScreen
from imgexp_tui.tui.terminal.cell_diff import CellDiffer, PreparedUpdate
from imgexp_tui.tui.textual_compat import CompositorUpdate, FrameFilterApp, add_line_filter

if TYPE_CHECKING:
    from textual.app import SystemCommand

_SWITCH_INTERVAL = 0.0005
"""Seconds for which a thread may hold the interpreter while another one waits for it."""


class LabApp(FrameFilterApp[None]):
    """The app on one lab.

    Args:
        lab: its folder.
        ascii_only: draw with ASCII characters only.
    """

    TITLE = "imgexp-tui"
    # Textual loads a screen's own style sheet when it is pushed, which the default screen never is.
    CSS_PATH = Path(__file__).parent / "screens" / "main" / "screen.tcss"
    ENABLE_COMMAND_PALETTE = True
    NOTIFICATION_TIMEOUT = 3
    """Seconds for which a notification covers what is below it."""
    BINDINGS = [
        Binding("ctrl+p", "command_palette", "Commands", show=False, tooltip="Every command by its name"),
        Binding("ctrl+l", "redraw", "Redraw", show=False, tooltip="Draw the screen anew"),
        Binding("ctrl+q", "quit", "Quit", show=False, priority=True, tooltip="Quit; runs go on"),
    ]

    def __init__(self, lab: Path, *, ascii_only: bool = False) -> None:
        few_colours = theme.has_few_colours()
        # Textual decides in its constructor whether to translate the terminal's own colours.
        super().__init__(ansi_color=few_colours or None)
        if ascii_only:
            from imgexp_tui.tui.terminal.ascii_filter import AsciiFilter

            add_line_filter(self, AsciiFilter())
        self._lab = lab
        self._output = CellDiffer()
        self._event_loop: asyncio.AbstractEventLoop | None = None
        self.register_theme(theme.DARK)
        self.register_theme(theme.LIGHT)
        self.set_reactive(App.theme, theme.initial_theme(few_colours=few_colours))
        # The constructor gave the style sheet the colours of the default theme.
        self.stylesheet.set_variables(self.get_css_variables())

    def get_default_screen(self) -> Screen[Any]:
        return MainScreen(self._lab)

    def on_mount(self) -> None:
        self._event_loop = asyncio.get_running_loop()

    def filter_frame(self, update: CompositorUpdate) -> CompositorUpdate | None:
        """Reduces an update to the cells that changed on the terminal."""
        changes = self._output.encode_changes(update, self.console, (self.size.width, self.size.height))
        if changes is None:
            return update
        return PreparedUpdate(changes) if changes or self.has_cursor_moved else None

    def on_resize(self) -> None:
        self._output.invalidate()

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
        """Switch between dark and light, and save the choice for the next start."""
        self.theme = theme.opposite_theme(self.theme, dark=self.current_theme.dark)
        theme.save_theme(dark=self.current_theme.dark)

    def exit_from_signal(self) -> None:
        """End the app from a signal handler and restore the terminal."""
        if self._event_loop:
            self._event_loop.call_soon_threadsafe(self.exit, None, 143)


def run(lab: Path, *, ascii_only: bool = False) -> int:
    """Open the app on a lab. Returns the exit code."""
    app = LabApp(lab, ascii_only=ascii_only)
    # At each turn of the event loop a key may wait for the watcher's thread: by Python's default, five milliseconds.
    sys.setswitchinterval(_SWITCH_INTERVAL)
    with flush_on_signals(app.exit_from_signal):
        app.run()
    return app.return_code or 0
