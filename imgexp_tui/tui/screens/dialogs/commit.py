"""The dialog that asks for the message of a commit of the notebook, with a draft that lists what changed."""

from __future__ import annotations

from pathlib import Path

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from imgexp_tui.notebook.history import commit
from imgexp_tui.notebook.history.commit import CommitPlan
from imgexp_tui.notebook.history.git import GitError
from imgexp_tui.paths import NOTEBOOK


def plan_commit(lab: Path) -> CommitPlan | str:
    """Returns what would be committed, or a sentence that says why nothing can be. Blocks; call it in a thread."""
    try:
        return commit.plan_commit(lab)
    except GitError as error:
        return f"{str(error)[:1].upper()}{str(error)[1:]}."


class CommitScreen(ModalScreen[str]):
    """Dismissed with the message; "" to commit nothing."""

    CSS_PATH = "commit.tcss"
    BINDINGS = [
        Binding("enter", "commit", "Commit", tooltip="Commit with the message that stands there"),
        Binding("escape", "cancel", "Cancel", tooltip="Commit nothing"),
    ]

    def __init__(self, plan: CommitPlan) -> None:
        super().__init__()
        self._plan = plan

    def compose(self) -> ComposeResult:
        branch_text = f"on {self._plan.branch}" if self._plan.branch else "on no branch (HEAD is detached)"
        with Vertical(id="box"):
            yield Static(Content(f"Commit {NOTEBOOK}, and nothing else, {branch_text}."), id="question")
            yield Input(self._plan.message, id="message", compact=True, select_on_focus=False)
            yield Static(Content("enter commits · esc cancels"), id="keys")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.dismiss(event.value.strip() or self._plan.message)

    def action_commit(self) -> None:
        self.dismiss(self.query_one(Input).value.strip() or self._plan.message)

    def action_cancel(self) -> None:
        self.dismiss("")
