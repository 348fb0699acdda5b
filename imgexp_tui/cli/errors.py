"""The error that a command raises for the user to read: one sentence and an exit code."""

from __future__ import annotations


class CommandError(Exception):
    """An error that the user can fix: one sentence, and the exit code of the command."""

    def __init__(self, sentence: str, code: int = 1) -> None:
        super().__init__(sentence)
        self.code = code
