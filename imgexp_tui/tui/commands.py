"""The command palette's entries: every key of the screen that is open, by its name."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from textual.app import SystemCommand
from textual.binding import Binding
from textual.screen import Screen


def commands_of(screen: Screen[Any]) -> Iterator[SystemCommand]:
    """A command for each of the screen's bindings that can be used now."""
    for binding in screen.BINDINGS:
        if isinstance(binding, Binding) and binding.description and not binding.system and _usable(screen, binding):
            title = binding.tooltip.partition(";")[0] if binding.tooltip else binding.description
            yield SystemCommand(title, f"key: {_keys(screen, binding)}", partial(screen.run_action, binding.action))


def _usable(screen: Screen[Any], binding: Binding) -> bool:
    name = binding.action.partition("(")[0]
    return "." in name or bool(screen.check_action(name, ()))


def _keys(screen: Screen[Any], binding: Binding) -> str:
    return " or ".join(screen.app.get_key_display(Binding(key.strip(), "", "")) for key in binding.key.split(","))
