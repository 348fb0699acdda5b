"""The command palette's entries: every key of the screen that is open, and of the app, by its name.

Textual's own commands are left out: its list of keys opens beside our panes and squeezes them, and its themes are not
the two that are remembered.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from textual.app import SystemCommand
from textual.binding import Binding
from textual.screen import Screen


def palette_commands(screen: Screen[Any]) -> Iterator[SystemCommand]:
    """A command for each binding that can be used now; what the screen has, the app's own does not repeat."""
    said: set[str] = set()
    for node in (screen, screen.app):
        for binding in node.BINDINGS:
            if not isinstance(binding, Binding) or not binding.description or not _is_usable(screen, binding):
                continue
            title = binding.tooltip.partition(";")[0] if binding.tooltip else binding.description
            if title not in said:
                said.add(title)
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
