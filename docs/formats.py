"""Writes the table of export parts in docs/formats.md from the program's own table: python docs/formats.py"""

from __future__ import annotations

import re
from pathlib import Path

from imgexp_tui.reports.parts import PARTS

PAGE = Path(__file__).with_suffix(".md")
_TABLE = re.compile(r"\| part \| what \|\n\|---\|---\|\n(?:\|.*\|\n)*")


def formats_page() -> str:
    """Returns docs/formats.md with its table of parts as the program has it."""
    rows = [f"| `{part.name}` | {part.help} |\n" for part in PARTS.values()]
    table = "| part | what |\n|---|---|\n" + "".join(rows)
    return _TABLE.sub(lambda _: table, PAGE.read_text(encoding="utf-8"), count=1)


if __name__ == "__main__":
    PAGE.write_text(formats_page(), encoding="utf-8")
