"""Views draw immutable data: no module of theirs opens, reads or lists a file."""

from __future__ import annotations

import re
from pathlib import Path

import imgexp_tui.views

_FILE_ACCESS = re.compile(
    r"\b(?:open|Path)\(|\.(?:read_text|read_bytes|write_text|write_bytes|stat|exists|is_file|is_dir|iterdir|glob)\("
)


def test_views_touch_no_file() -> None:
    modules = sorted(Path(imgexp_tui.views.__path__[0]).rglob("*.py"))
    assert len(modules) > 20
    found = [
        f"{module.name}:{number}: {text.strip()}"
        for module in modules
        for number, text in enumerate(module.read_text().splitlines(), 1)
        if _FILE_ACCESS.search(text)
    ]
    assert not found
