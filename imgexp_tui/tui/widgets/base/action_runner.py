"""Runs an action of `services` in a thread, notifies the user of its outcome, and refreshes the screen.

An action is a function that blocks, returns a sentence for the user ("" for nothing to say), and raises `ActionError`
with a sentence where it failed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Literal

from textual.dom import DOMNode

from imgexp_tui.text import clean_line

Severity = Literal["information", "warning", "error"]

_PROBLEM_SECONDS = 8.0
"""Seconds for which a problem is displayed: it takes longer to read than a success."""


class ActionRunner:
    """Runs actions for one screen.

    Args:
        node: the screen, or a widget on it.
        refresh: called after every action, whether it succeeded or not.
    """

    def __init__(self, node: DOMNode, refresh: Callable[[], object] = lambda: None) -> None:
        self._node = node
        self._refresh = refresh

    async def run(
        self, action: Callable[[], str], *, on_failure: Severity = "error", seconds: float | None = None
    ) -> bool:
        """Run an action in a thread and notify the user of how it went.

        Args:
            on_failure: the severity of a failure.
            seconds: for how long the notification is displayed; None for the usual time.

        Returns:
            Whether the action succeeded.
        """
        from imgexp_tui.services.actions.runs import ActionError

        try:
            sentence = await asyncio.to_thread(action)
        except ActionError as error:
            self.notify(str(error), on_failure, seconds)
            return False
        else:
            self.notify(sentence, "information", seconds)
            return True
        finally:
            self._refresh()

    def notify(self, sentence: str, severity: Severity = "information", seconds: float | None = None) -> None:
        """Display a sentence as plain text; "" displays nothing."""
        if not sentence:
            return
        if seconds is None and severity != "information":
            seconds = _PROBLEM_SECONDS
        self._node.app.notify(clean_line(sentence), severity=severity, timeout=seconds, markup=False)
