"""Writes docs/file_overview.md from the docstrings of all modules: python docs/file_overview.py"""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "imgexp_tui"
HEAD = """\
# File overview

Every module with the first sentence of its docstring, made from the code by `python docs/file_overview.py`. How the
folders fit together: [architecture.md](architecture.md).
"""


def file_overview_page() -> str:
    """Returns the page as markdown: a heading for each folder, a line for each module."""
    folders = sorted(file.parent for file in PACKAGE.rglob("__init__.py"))
    return HEAD + "".join(map(_folder_section, folders))


def _folder_section(folder: Path) -> str:
    lines = [f"\n## {folder.relative_to(ROOT).as_posix()}/\n\n{_first_sentence(folder / '__init__.py')}\n\n"]
    modules = sorted(file for file in folder.glob("*.py") if file.name != "__init__.py")
    lines += [f"- `{module.name}`: {_first_sentence(module)}\n" for module in modules]
    return "".join(lines) if modules else lines[0].rstrip("\n") + "\n"


def _first_sentence(module: Path) -> str:
    """Returns the first sentence of a module's docstring, on one line."""
    text = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or ""
    paragraph = " ".join(text.split("\n\n")[0].split())
    sentence, dot, _ = paragraph.partition(". ")
    return sentence + dot.rstrip()


if __name__ == "__main__":
    Path(__file__).with_suffix(".md").write_text(file_overview_page(), encoding="utf-8")
