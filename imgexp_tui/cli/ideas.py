"""Command `ideas`: lists the open ideas of all versions."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import asdict

from imgexp_tui.cli.common import notebook_from_arguments
from imgexp_tui.notebook.ideas.model import Idea, all_ideas
from imgexp_tui.text import cell_width, clean_line


def ideas(arguments: Namespace) -> int:
    """Prints the open ideas, or all, one a line in the notebook's order."""
    notebook = notebook_from_arguments(arguments)
    selected = [idea for idea in all_ideas(notebook) if arguments.all or not idea.done]
    if arguments.json:
        from imgexp_tui.cli.json_output import print_json

        return print_json([_json_row(idea) for idea in selected])
    names = {name: clean_line(name) for name in notebook.versions}
    room = max((cell_width(names[idea.version]) for idea in selected), default=0)
    for idea in selected:
        name = names[idea.version]
        print(f"{name}{' ' * (room - cell_width(name))}  {_format_idea(idea)}")
    if not selected:
        print(f"no {'' if arguments.all else 'open '}ideas; write one into a note as: - [ ] try num_workers > 0")
    return 0


def _format_idea(idea: Idea) -> str:
    tried = f" (tried in {clean_line(idea.tried_in)})" if idea.tried_in else ""
    return f"[{'x' if idea.done else ' '}] {clean_line(idea.text)}{tried}"


def _json_row(idea: Idea) -> dict[str, object]:
    return {**asdict(idea), "tried_in": idea.tried_in or None}
