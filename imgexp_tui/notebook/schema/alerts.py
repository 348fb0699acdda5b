"""Declares the alert keys of `[lab]` (`bell`, `notify`, `alerts`, `on_event`) and checks their values.

- `bell`: whether the open app rings the terminal's bell.
- `notify`: the escape sequence with which the open app asks the terminal for a desktop notification; none without.
- `alerts`: the events for which it does either.
- `on_event`: a command that is run for every event, whether or not an app is open. Its words may name `PLACEHOLDERS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from imgexp_tui.notebook.schema.command import placeholders
from imgexp_tui.notebook.schema.settings import closest_name

ALERT_KEYS = ("bell", "notify", "alerts", "on_event")
"""The keys of `[lab]`."""
EVENTS = ("finished", "failed", "stalled", "nan", "best")
DEFAULT_EVENTS = ("finished", "failed", "stalled", "nan")
"""The events that the app reports if `alerts` is not set. `best` is left out: it comes with most epochs."""
NOTIFY_ESCAPES = ("osc9", "osc777")
PLACEHOLDERS = ("event", "version", "run", "run_dir", "message")
_MESSAGE = "{message}"


def alert_setting_error(key: str, value: object) -> str | None:
    """Returns what is wrong with the value of one of `ALERT_KEYS` and how to fix it; None if it is valid."""
    if key == "bell":
        return None if isinstance(value, bool) else "must be true or false"
    if key == "notify":
        return _unknown_choice_error(value, NOTIFY_ESCAPES)
    if key == "alerts":
        if not isinstance(value, list):
            return 'must be an array of events, such as ["finished", "failed"]'
        return next((wrong for one in value if (wrong := _unknown_choice_error(one, EVENTS))), None)
    return _command_error(value)


def enabled_kinds(settings: Mapping[str, Any]) -> frozenset[str]:
    """Returns the events that the app reports."""
    return frozenset(settings.get("alerts", DEFAULT_EVENTS))


def _unknown_choice_error(value: object, choices: tuple[str, ...]) -> str | None:
    if value in choices:
        return None
    near = closest_name(str(value), choices)
    return f"{value!r} is unknown; take one of {', '.join(choices)}" + (f" (did you mean {near!r}?)" if near else "")


def _command_error(value: object) -> str | None:
    if not (isinstance(value, list) and value and all(isinstance(word, str) for word in value) and value[0]):
        return 'must be an array of texts, such as ["notify-send", "{message}"]'
    for name in placeholders(value):
        if wrong := _unknown_choice_error(name, PLACEHOLDERS):
            return f"{{{name}}}: {wrong}"
    # A message quotes output of the trainer. Inside a shell script, the shell would run it.
    if any(_MESSAGE in word and word != _MESSAGE for word in value):
        return '{message} must be a word of its own; in a script for a shell, take "$IMGEXP_MESSAGE"'
    return None
