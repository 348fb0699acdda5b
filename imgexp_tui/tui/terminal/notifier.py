"""Tells the user, while the app is open, of what happens to runs: a remark, the terminal's bell, a notification.

What comes within a few seconds is told as one, so that ten runs that end together ring once. A notification is an
escape sequence that many terminals turn into one of the desktop, also over SSH; those that know it not pass over it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

from textual.app import App
from textual.timer import Timer

from imgexp_tui.notebook.schema.alerts import EVENTS, enabled_kinds
from imgexp_tui.records.alerts import Alert
from imgexp_tui.text import clean_line, join_names, truncate
from imgexp_tui.tui.textual_compat import write_to_terminal

_GATHER_SECONDS, _MIN_INTERVAL = 1.0, 5.0
"""Seconds for which more is waited for, and the least between two rings."""
_MAX_TEXT_WIDTH = 200
_MAX_NAMED_VERSIONS = 4
"""Versions that are named of those to which the same happened."""
_EVENT_PHRASES = {"stalled": "stalled", "nan": "got a NaN", "best": "have a new best"}
_SERIOUS_EVENTS = ("failed", "stalled", "nan")


class AlertNotifier:
    """Called from the watching thread with what has happened."""

    def __init__(self, app: App[Any]) -> None:
        self._app = app
        self._pending: list[Alert] = []
        self._settings: Mapping[str, Any] = {}
        self._timer: Timer | None = None
        self._last_notified = -_MIN_INTERVAL

    def __call__(self, alerts: list[Alert], settings: Mapping[str, Any]) -> None:
        wanted = [alert for alert in alerts if alert.kind in enabled_kinds(settings)]
        if wanted:
            self._app.call_later(self._collect, wanted, settings)

    def _collect(self, alerts: list[Alert], settings: Mapping[str, Any]) -> None:
        self._pending += alerts
        self._settings = settings
        if self._timer is None:
            wait = max(_GATHER_SECONDS, self._last_notified + _MIN_INTERVAL - time.monotonic())
            self._timer = self._app.set_timer(wait, self._notify)

    def _notify(self) -> None:
        alerts, self._pending, self._timer = self._pending, [], None
        self._last_notified = time.monotonic()
        text = format_alerts(alerts)
        serious = any(alert.kind in _SERIOUS_EVENTS for alert in alerts)
        self._app.notify(text, severity="warning" if serious else "information", markup=False)
        if self._settings.get("bell", True):
            self._app.bell()
        if kind := self._settings.get("notify"):
            write_to_terminal(self._app, notification_sequence(kind, text, os.environ))


def format_alerts(alerts: Sequence[Alert]) -> str:
    """What has happened, in one line."""
    if len(alerts) == 1:
        return truncate(alerts[0].message, _MAX_TEXT_WIDTH)
    parts = []
    for kind in EVENTS:
        names = list(dict.fromkeys(alert.version for alert in alerts if alert.kind == kind))
        if names:
            more = len(names) - _MAX_NAMED_VERSIONS
            shown = [*names[:_MAX_NAMED_VERSIONS], f"{more} more"] if more > 0 else names
            parts.append(f"{join_names(shown)} {_EVENT_PHRASES.get(kind, kind)}")
    return truncate(clean_line("; ".join(parts)), _MAX_TEXT_WIDTH)


def notification_sequence(kind: str, text: str, environ: Mapping[str, str]) -> str:
    """The escape sequence of a notification, for tmux to pass on where that carries this terminal."""
    body = truncate(clean_line(text), _MAX_TEXT_WIDTH)
    if kind == "osc777":  # its fields end with a semicolon
        found = f"\x1b]777;notify;imgexp-tui;{body.replace(';', ',')}\a"
    else:  # the name first: what begins with a number means other things to some terminals
        found = f"\x1b]9;imgexp-tui: {body}\a"
    return f"\x1bPtmux;{found.replace(chr(27), chr(27) * 2)}\x1b\\" if environ.get("TMUX") else found
