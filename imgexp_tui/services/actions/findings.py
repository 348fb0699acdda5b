"""Performs the actions of the findings screen on notes. The functions block: call them in threads."""

from __future__ import annotations

from pathlib import Path

from imgexp_tui.notebook.ideas.bullets import append_bullet
from imgexp_tui.notebook.saving.outcome import SaveOutcome
from imgexp_tui.services.notes import files
from imgexp_tui.text import clean_line

_FIELD = "takeaways"


def add_to_takeaways(lab: Path, version: str, text: str) -> tuple[bool, str]:
    """Add a bullet to a version's takeaways, merged with concurrent changes of others, as in the editor.

    Returns:
        Whether the takeaways have the text now, and a sentence for the user.
    """
    opened = files.open_notes(lab, version)
    if opened.problem or _FIELD not in opened.texts:
        return False, opened.problem
    note = opened.texts[_FIELD]
    if text in note:
        return True, f"It stands in the takeaways of {clean_line(version)} already."
    saved = files.save(lab, version, _FIELD, append_bullet(note, text), original=note)
    if saved.outcome is SaveOutcome.FAILED:
        # The editor would keep a draft; here the text is still on the screen.
        return False, saved.sentence.removesuffix(" Your text is kept as a draft.")
    draft = " Its unsaved draft is merged with it when it is opened." if _FIELD in opened.drafts else ""
    return True, saved.sentence or f"Written to the takeaways of {clean_line(version)}.{draft}"
