"""`find`: search the notes and configurations."""

from __future__ import annotations

import sys
from argparse import Namespace

from imgexp_tui.cli.common import notebook_of
from imgexp_tui.notebook.search import Index
from imgexp_tui.text import clean_line


def find(arguments: Namespace) -> int:
    """Print every line that holds all of the words; 1 where none does, as grep."""
    notebook = notebook_of(arguments)
    query = " ".join(arguments.words)
    hits = Index(notebook).find(query)
    if arguments.json:
        from imgexp_tui.cli.json_output import print_json

        print_json(
            [{"version": h.version, "where": h.where, "line": h.line, "text": h.text, "marks": h.marks} for h in hits]
        )
        return 0 if hits else 1
    for hit in hits:
        print(f"{clean_line(hit.version)} {hit.where}{f':{hit.line}' if hit.in_note else ''}: {hit.text}")
    if not hits:
        print(f"nothing in {notebook.path.name} holds {clean_line(query)}", file=sys.stderr)
    return 0 if hits else 1
