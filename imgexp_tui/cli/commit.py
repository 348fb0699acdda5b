"""Command `commit`: commits the notebook with git, and nothing else."""

from __future__ import annotations

from argparse import Namespace

from imgexp_tui.cli.common import lab_from
from imgexp_tui.cli.errors import CommandError
from imgexp_tui.notebook.history import commit as git_commit
from imgexp_tui.notebook.history.git import GitError


def commit(arguments: Namespace) -> int:
    """Commits the notebook with the given message, or with one that lists the changes."""
    try:
        print(git_commit.commit(lab_from(arguments), arguments.message))
    except GitError as error:
        raise CommandError(str(error)) from None
    return 0
