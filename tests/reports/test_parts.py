"""The table of export parts: one entry is enough for the page, the command line and its messages."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from imgexp_tui.cli.parser import build_parser
from imgexp_tui.notebook.load import parse_notebook
from imgexp_tui.notebook.model import Version
from imgexp_tui.reports.blocks import Heading, PageBlock, Paragraph
from imgexp_tui.reports.page import Page, page_blocks
from imgexp_tui.reports.parts import PARTS, ExportPart

NOTEBOOK = parse_notebook(
    '[lab]\ntitle = "Lab"\n[versions.v0]\nsummary = "First."\n[versions.v1]\nbase = "v0"\n', Path()
)


def count_versions(page: Page) -> Iterator[PageBlock]:
    yield Paragraph([f"{len(page.versions)} versions"])


def name_base(page: Page, version: Version) -> Iterator[PageBlock]:
    yield Paragraph([f"base: {version.base or 'none'}"])


def test_each_part_names_functions_that_exist() -> None:
    for name, part in PARTS.items():
        assert part.name == name and part.help
        assert part.load_page_section() or part.load_version_section()


def test_a_part_is_one_entry(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    added = ExportPart("bases", "the bases", f"{__name__}:count_versions", f"{__name__}:name_base")
    monkeypatch.setitem(PARTS, "bases", added)
    blocks = page_blocks(NOTEBOOK, {}, parts=["bases"])
    texts = [b.text if isinstance(b, Heading) else b.words[0] for b in blocks if isinstance(b, Heading | Paragraph)]
    assert texts == ["Lab", "2 versions", "v0", "base: none", "v1", "base: v0"]
    with pytest.raises(SystemExit):
        build_parser().parse_args(["export", "--help"])
    assert "takeaways, bases;" in " ".join(capsys.readouterr().out.split())


def test_parsing_a_command_line_imports_no_section() -> None:
    code = (
        "import sys\nfrom imgexp_tui.cli.parser import build_parser\nbuild_parser().parse_args(['export'])\n"
        "slow = ('imgexp_tui.re', 'imgexp_tui.f', 'matplotlib', 'numpy')\n"
        "print(sorted(name for name in sys.modules if name.startswith(slow)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['imgexp_tui.reports', 'imgexp_tui.reports.parts']"
