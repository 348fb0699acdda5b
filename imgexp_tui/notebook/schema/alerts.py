"""How one is told of what happens to runs: the keys of `[lab]` for it, and what is wrong with them.

- `bell`: whether the open app rings the terminal's bell.
- `notify`: the escape sequence with which the open app asks the terminal for a desktop notification; none without.
- `alerts`: the events for which it does either.
- `on_event`: a command that is run for every event, whether or not an app is open. Its words may name `PLACEHOLDERS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from imgexp_tui.notebook.schema.command import placeholders
from imgexp_tui.notebook.schema.settings import nearest

ALERTS = ("bell", "notify", "alerts", "on_event")
"""The keys of `[lab]`."""
EVENTS = ("finished", "failed", "stalled", "nan", "best")
TOLD = ("finished", "failed", "stalled", "nan")
"""The events of which the app tells where `alerts` is not there: a run that learns has a new best each epoch."""
ESCAPES = ("osc9", "osc777")
PLACEHOLDERS = ("event", "version", "run", "run_dir", "message")
_MESSAGE = "{message}"


def fault(key: str, value: object) -> str | None:
    """What is wrong with the value of one of `ALERTS`, and the mend; None where it is right."""
    if key == "bell":
        return None if isinstance(value, bool) else "must be true or false"
    if key == "notify":
        return _one_of(value, ESCAPES)
    if key == "alerts":
        if not isinstance(value, list):
            return 'must be an array of events, such as ["finished", "failed"]'
        return next((wrong for one in value if (wrong := _one_of(one, EVENTS))), None)
    return _command_fault(value)


def told(settings: Mapping[str, Any]) -> frozenset[str]:
    """The events of which the app tells."""
    return frozenset(settings.get("alerts", TOLD))


def _one_of(value: object, known: tuple[str, ...]) -> str | None:
    if value in known:
        return None
    near = nearest(str(value), known)
    return f"{value!r} is unknown; take one of {', '.join(known)}" + (f" (did you mean {near!r}?)" if near else "")


def _command_fault(value: object) -> str | None:
    if not (isinstance(value, list) and value and all(isinstance(word, str) for word in value) and value[0]):
        return 'must be an array of texts, such as ["notify-send", "{message}"]'
    for name in placeholders(value):
        if wrong := _one_of(name, PLACEHOLDERS):
            return f"{{{name}}}: {wrong}"
    # A message quotes what a trainer printed. In a script for a shell, that would be run.
    if any(_MESSAGE in word and word != _MESSAGE for word in value):
        return '{message} must be a word of its own; in a script for a shell, take "$IMGEXP_MESSAGE"'
    return None
