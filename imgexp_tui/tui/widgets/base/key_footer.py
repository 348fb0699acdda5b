"""The footer: the keys that do something now, in the screen's last line.

Textual's own footer has a widget for each key and makes all of them again when one changes. With twenty keys that is
most of the time that opening a screen takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich.cells import cell_len
from textual import events
from textual.binding import Binding

from imgexp_tui.tui.widgets.base.styled_view import StyledView
from imgexp_tui.views.styled import Span, line


class _Key(NamedTuple):
    """A key in the footer: its binding, displayed name, whether it does something now, and tooltip."""

    binding: Binding
    name: str
    enabled: bool
    tooltip: str

    @property
    def width(self) -> int:
        return cell_len(self.name) + cell_len(self.binding.description) + 3


class KeyFooter(StyledView):
    """Shows as many keys as there is room for; the help lists all. A click on a key acts like the key.

    Args:
        droppable: names of actions whose keys are left out first where room is short, in this order. After them, the
            last keys but one are left out, from the end.
    """

    DEFAULT_CSS = """
    KeyFooter { dock: bottom; height: 1; background: $footer-background; color: $footer-foreground; }
    """

    def __init__(self, droppable: Sequence[str] = ()) -> None:
        super().__init__()
        self._droppable = droppable
        self._visible_keys: list[_Key] = []

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, lambda _: self._update_keys())

    def on_resize(self) -> None:
        self._update_keys()

    def _update_keys(self) -> None:
        if not self.is_attached or not self.size.width:
            return
        self._visible_keys = self._keys_that_fit(self.size.width)
        spans: list[Span] = []
        for key in self._visible_keys:
            does = f" {key.binding.description} "
            spans += [(f" {key.name}", "key"), (does, "")] if key.enabled else [(f" {key.name}{does}", "rest")]
        self.set_lines([line(*spans)])

    def _keys_that_fit(self, width: int) -> list[_Key]:
        keys = self._active_keys()
        over = sum(key.width for key in keys) - width
        by_action = {key.binding.action.partition("(")[0]: key for key in keys}
        for name in self._droppable:
            if over > 0 and name in by_action:
                keys.remove(by_action[name])
                over -= by_action[name].width
        while over > 0 and len(keys) > 1:
            over -= keys.pop(-2).width
        return keys

    def _active_keys(self) -> list[_Key]:
        """Returns one key for each action."""
        keys: dict[str, _Key] = {}
        for _, binding, enabled, tip in self.screen.active_bindings.values():
            if binding.show:
                key = _Key(binding, self.app.get_key_display(binding), enabled, tip or binding.tooltip)
                keys.setdefault(binding.action, key)
        return list(keys.values())

    def _key_at(self, x: int) -> _Key | None:
        for key in self._visible_keys:
            if 0 <= x < key.width:
                return key
            x -= key.width
        return None

    def on_mouse_move(self, event: events.MouseMove) -> None:
        key = self._key_at(event.x)
        self.tooltip = key.tooltip if key else None

    def on_mouse_down(self, event: events.MouseDown) -> None:
        if (key := self._key_at(event.x)) is None:
            return
        if key.enabled:
            self.app.simulate_key(key.binding.key)
        else:
            self.app.bell()
