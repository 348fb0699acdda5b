"""Names the outcomes of saving a note, for the notebook, the editor and the command line alike."""

from __future__ import annotations

from enum import StrEnum


class SaveOutcome(StrEnum):
    """How a save went; the values stand in the output of commands.

    `FAILED` means that nothing was written. `save_note` raises an error instead of returning it.
    """

    SAVED = "saved"
    UNCHANGED = "unchanged"
    """The file said this already, so nothing was written."""
    MERGED = "merged"
    """Both changes are in the note: this one, and one that others made meanwhile."""
    CONFLICT = "conflict"
    """Both texts stand in the note, between conflict marks."""
    FAILED = "failed"
