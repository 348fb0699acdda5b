"""`commit`: the notebook into git, and nothing else."""

from __future__ import annotations

from argparse import Namespace

from imgexp_tui.cli.errors import CommandError
from imgexp_tui.cli.labs import lab_of
from imgexp_tui.notebook import commits
from imgexp_tui.notebook.git import GitError


def commit(arguments: Namespace) -> int:
    """Commit the notebook, with the message that is given or one that says what changed."""
    try:
        print(commits.commit(lab_of(arguments), arguments.message))
    except GitError as error:
        raise CommandError(str(error)) from None
    return 0
