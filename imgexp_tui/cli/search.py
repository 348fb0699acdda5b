"""Command `find`: searches the notes and configurations."""

from __future__ import annotations

import sys
from argparse import Namespace

from imgexp_tui.cli.common import notebook_from_arguments
from imgexp_tui.notebook.search import SearchIndex
from imgexp_tui.text import clean_line


def find(arguments: Namespace) -> int:
    """Prints every line that contains all of the words; returns 1 where none does, as grep."""
    notebook = notebook_from_arguments(arguments)
    query = " ".join(arguments.words)
    hits = SearchIndex(notebook).find(query)
    if arguments.json:
        from imgexp_tui.cli.json_output import print_json

        print_json(
            [
                {"version": h.version, "where": h.field, "line": h.line, "text": h.text, "marks": h.match_spans}
                for h in hits
            ]
        )
        return 0 if hits else 1
    for hit in hits:
        print(f"{clean_line(hit.version)} {hit.field}{f':{hit.line}' if hit.is_in_note else ''}: {hit.text}")
    if not hits:
        print(f"nothing in {notebook.path.name} holds {clean_line(query)}", file=sys.stderr)
    return 0 if hits else 1
