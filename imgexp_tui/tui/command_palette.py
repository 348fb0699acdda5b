"""The command palette's entries: every key of the open screen and of the app, by the name of what it does.

Textual's own commands are left out: its list of keys takes room from our panes, and its themes are not the two that the
app saves.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from textual.app import SystemCommand
from textual.binding import Binding
from textual.screen import Screen


def palette_commands(screen: Screen[Any]) -> Iterator[SystemCommand]:
    """Yields a command for each binding that does something now, the screen's before the app's, and no title twice."""
    titles: set[str] = set()
    for node in (screen, screen.app):
        for binding in node.BINDINGS:
            if not isinstance(binding, Binding) or not binding.description or not _is_usable(screen, binding):
                continue
            title = binding.tooltip.partition(";")[0] if binding.tooltip else binding.description
            if title not in titles:
                titles.add(title)
                yield SystemCommand(
                    title, f"key: {_key_names(screen, binding)}", partial(node.run_action, binding.action)
                )


def _is_usable(screen: Screen[Any], binding: Binding) -> bool:
    name = binding.action.partition("(")[0]
    if binding.system or name == "command_palette":
        return False
    return "." in name or bool(screen.check_action(name, ()))


def _key_names(screen: Screen[Any], binding: Binding) -> str:
    return " or ".join(screen.app.get_key_display(Binding(key.strip(), "", "")) for key in binding.key.split(","))
