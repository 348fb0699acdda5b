"""What a command raises when the user can mend it."""

from __future__ import annotations


class CommandError(Exception):
    """One sentence for the user, and the exit code that goes with it."""

    def __init__(self, sentence: str, code: int = 1) -> None:
        super().__init__(sentence)
        self.code = code
