"""Textual's footer, which leaves out the least wanted keys where a narrow screen has no room for all."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.events import Resize
from textual.widgets import Footer
from textual.widgets._footer import FooterKey

BLANKS = 3  # about a key and its description


class KeyFooter(Footer):
    """The keys that do something now, as many as there is room for; the help has them all.

    Args:
        spare: names of actions whose keys may go, the first one first.
    """

    def __init__(self, spare: Sequence[str]) -> None:
        super().__init__(show_command_palette=False)
        self._spare = spare

    def compose(self) -> ComposeResult:
        shown = list(super().compose())
        self._fit([key for key in shown if isinstance(key, FooterKey)])
        yield from shown

    def on_resize(self, _: Resize) -> None:
        self._fit(list(self.query(FooterKey)))

    def _fit(self, keys: list[FooterKey]) -> None:
        over = sum(_width(key) for key in keys) - self.app.size.width
        spare = {key.action.partition("(")[0]: key for key in keys}
        gone = set()
        for name in self._spare:
            if over > 0 and name in spare:
                gone.add(spare[name])
                over -= _width(spare[name])
        for key in keys:
            key.display = key not in gone


def _width(key: FooterKey) -> int:
    return cell_len(key.key_display) + cell_len(key.description) + BLANKS
