"""Everything private in Textual and Rich that the app uses: the one module to check when either is upgraded.

Modules of `tui` call the functions here instead of reading private attributes, and import private modules from here.
A subclass that overrides or uses a private name of its Textual base class lists that name in `PRIVATE_NAMES`. Tests
check that every name exists in the installed version, that nothing else in `tui` touches a private name, and that no
attribute of ours has the name of a private one by accident.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic

from rich.color import ColorSystem
from rich.console import Console
from rich.style import Style
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.app import App, ReturnType

if TYPE_CHECKING:
    from rich.console import RenderableType
    from textual import events
    from textual.filter import LineFilter
    from textual.screen import Screen
    from textual.widget import Widget

__all__ = [
    "PRIVATE_NAMES",
    "ChopsUpdate",
    "CompositorUpdate",
    "FrameFilterApp",
    "LayoutUpdate",
    "add_line_filter",
    "cached_ansi",
    "clear_dirty_regions",
    "color_system",
    "compute_wrap_offsets",
    "detect_color_system",
    "forward_key",
    "has_link",
    "run_binding",
    "set_local_clipboard",
    "write_to_terminal",
]

PRIVATE_NAMES: Mapping[str, tuple[str, ...]] = {
    "textual.app:App": (
        "_batch_count",
        "_check_bindings",
        "_clipboard",
        "_closed",
        "_display",
        "_driver",
        "_filters",
        "_previous_cursor_position",
        "_running",
    ),
    "textual.events:Key": ("_set_forwarded",),
    "textual.widget:Widget": ("_dirty_regions",),
    "textual.widgets:Checkbox": ("_button",),
    "textual.widgets:TextArea": (
        "_build_highlight_map",
        "_cursor_offset",
        "_delete_cursor_line",
        "_delete_via_keyboard",
        "_find_columns_to_next_tab_stop",
        "_highlight_query",
        "_line_cache",
        "_on_key",
        "_on_paste",
        "_recompute_cursor_offset",
        "_redo_batch",
        "_replace_via_keyboard",
        "_rewrap_and_refresh_virtual_size",
        "_set_document",
        "_undo_batch",
        "_word_pattern",
    ),
    "textual.widgets.text_area:Document": ("_lines", "_newline"),
    "textual.widgets.text_area:WrappedDocument": (
        "_line_index_to_offsets",
        "_offset_to_line_info",
        "_tab_width",
        "_tab_width_cache",
        "_width",
        "_wrap_offsets",
    ),
    "rich.console:Console": ("_color_system",),
    "rich.style:Style": ("_ansi", "_link"),
}
"""Private attributes and methods by the class that has them, `module:class`."""


class FrameFilterApp(App[ReturnType], Generic[ReturnType]):
    """An app whose frames pass through `filter_frame` on their way to the terminal."""

    def filter_frame(self, update: CompositorUpdate) -> CompositorUpdate | None:
        """Returns what is sent for an update of the screen; None sends nothing."""
        return update

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        # An update that Textual will not send (in a batch, without a terminal) must not pass for sent.
        sends = (
            self._driver is not None and self._running and not (self._batch_count or self._closed or self.is_headless)
        )
        if sends and isinstance(renderable, CompositorUpdate):
            renderable = self.filter_frame(renderable)
        super()._display(screen, renderable)

    @property
    def has_cursor_moved(self) -> bool:
        """Whether the cursor has to be elsewhere than where the last frame left it."""
        position = self.screen.outer_size.clamp_offset(self.cursor_position)
        return position != self._previous_cursor_position


def add_line_filter(app: App[Any], line_filter: LineFilter) -> None:
    """Let a filter change every line that the app draws."""
    app._filters.append(line_filter)


def write_to_terminal(app: App[Any], sequence: str) -> None:
    """Send an escape sequence to the terminal as it is; does nothing without a terminal."""
    if app._driver:
        app._driver.write(sequence)
        app._driver.flush()


def set_local_clipboard(app: App[Any], text: str) -> None:
    """Set what the app's own paste key inserts, without sending anything to the terminal."""
    app._clipboard = text


async def run_binding(app: App[Any], key: str) -> bool:
    """Run the action that a key is bound to in the focused widget and its parents. Returns whether there was one."""
    return await app._check_bindings(key)


def forward_key(key: events.Key) -> events.Key:
    """Mark a key event as sent on by a widget, so that the widget that receives it does not let it bubble twice."""
    key._set_forwarded()
    return key


def clear_dirty_regions(widget: Widget) -> None:
    """Forget the regions that Textual collects for widgets that render as a whole. Line widgets would keep them all."""
    widget._dirty_regions.clear()


def color_system(console: Console) -> ColorSystem:
    """Returns the colours of a console as Textual itself reads them when it sends a frame."""
    return console._color_system or ColorSystem.TRUECOLOR


def detect_color_system(environment: Mapping[str, str]) -> str | None:
    """Returns the colours that a terminal has by its environment variables: "standard", "256", "truecolor" or None."""
    return Console(force_terminal=True, _environ=environment).color_system


def has_link(style: Style | None) -> bool:
    """Returns whether text in this style is a hyperlink of the terminal."""
    return style is not None and bool(style._link)


def cached_ansi(style: Style) -> str | None:
    """Returns the SGR parameters that Rich computed for a style; None if it has not yet."""
    return style._ansi


def compute_wrap_offsets(line: str, width: int, tab_size: int, tab_sections: list[tuple[str, int]] | None) -> list[int]:
    """Returns the columns before which Textual breaks a line to fit `width` cells.

    Args:
        tab_sections: what `textual.expand_tabs.get_tab_widths` returns for the line; None to compute it.
    """
    # Imported here, because this module is loaded before the first frame.
    from textual._wrap import compute_wrap_offsets

    return compute_wrap_offsets(line, width, tab_size, precomputed_tab_sections=tab_sections)
