"""Notifies the user of alerts while the app is open: a toast, the terminal's bell, and a desktop notification.

Alerts that come within a few seconds are joined, so that ten runs that end together ring once. The desktop notification
is an escape sequence that many terminals show on the desktop, also over SSH; other terminals ignore it.
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
"""Seconds to wait for more alerts, and between two notifications at least."""
_MAX_TEXT_WIDTH = 200
_MAX_NAMED_VERSIONS = 4
"""Versions that are named for one kind of alert; the rest is counted."""
_EVENT_PHRASES = {"stalled": "stalled", "nan": "got a NaN", "best": "have a new best"}
_SERIOUS_EVENTS = ("failed", "stalled", "nan")


class AlertNotifier:
    """Collects alerts and notifies the user. Called in the watcher's thread, with the notebook's `[lab]` table."""

    def __init__(self, app: App[Any]) -> None:
        self._app = app
        self._pending: list[Alert] = []
        self._settings: Mapping[str, Any] = {}
        self._timer: Timer | None = None
        self._last_notified = -_MIN_INTERVAL

    def __call__(self, alerts: list[Alert], settings: Mapping[str, Any]) -> None:
        enabled = [alert for alert in alerts if alert.kind in enabled_kinds(settings)]
        if enabled:
            self._app.call_later(self._collect, enabled, settings)

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
    """Returns alerts as one line."""
    if len(alerts) == 1:
        return truncate(alerts[0].message, _MAX_TEXT_WIDTH)
    parts = []
    for kind in EVENTS:
        names = list(dict.fromkeys(alert.version for alert in alerts if alert.kind == kind))
        if names:
            more = len(names) - _MAX_NAMED_VERSIONS
            named = [*names[:_MAX_NAMED_VERSIONS], f"{more} more"] if more > 0 else names
            parts.append(f"{join_names(named)} {_EVENT_PHRASES.get(kind, kind)}")
    return truncate(clean_line("; ".join(parts)), _MAX_TEXT_WIDTH)


def notification_sequence(kind: str, text: str, environ: Mapping[str, str]) -> str:
    """Returns the escape sequence of a desktop notification, wrapped for tmux to pass on if the app runs in tmux.

    Args:
        kind: "osc777" or "osc9", as the notebook names the sequences.
        environ: the environment variables.
    """
    body = truncate(clean_line(text), _MAX_TEXT_WIDTH)
    if kind == "osc777":  # a semicolon ends a field
        sequence = f"\x1b]777;notify;imgexp-tui;{body.replace(';', ',')}\a"
    else:  # the name comes first, because some terminals give text that begins with a number another meaning
        sequence = f"\x1b]9;imgexp-tui: {body}\a"
    return f"\x1bPtmux;{sequence.replace(chr(27), chr(27) * 2)}\x1b\\" if environ.get("TMUX") else sequence
