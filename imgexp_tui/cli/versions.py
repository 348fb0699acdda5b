"""Commands `rename` and `archive`: change a version's name, or hide it from the table."""

from __future__ import annotations

from argparse import Namespace

from imgexp_tui.cli.common import find_version, lab_from, notebook_from_arguments
from imgexp_tui.cli.errors import CommandError
from imgexp_tui.notebook.model import NotebookError


def rename(arguments: Namespace) -> int:
    """Renames a version, with its runs."""
    from imgexp_tui.runner import version_folders

    try:
        version_folders.rename_version(lab_from(arguments), arguments.old, arguments.new)
    except NotebookError as error:
        raise CommandError(str(error)) from None
    print(f"{arguments.old} is {arguments.new} now; what notes say of it stays as it was written")
    return 0


def archive(arguments: Namespace) -> int:
    """Archives versions, or brings them back."""
    from imgexp_tui.runner import version_folders

    notebook = notebook_from_arguments(arguments)
    for name in [find_version(notebook, name).name for name in arguments.names]:
        try:
            version_folders.set_archived(notebook.lab, name, archived=not arguments.back)
        except NotebookError as error:
            raise CommandError(str(error)) from None
        print(f"{name} is back" if arguments.back else f"{name} is archived; nothing of it was deleted")
    return 0
