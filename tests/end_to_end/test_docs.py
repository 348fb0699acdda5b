"""The pages that are made from the program agree with it."""

from __future__ import annotations

import importlib.util
import re

import pytest

from imgexp_tui.cli.parser import COMMANDS
from tests.helpers import ROOT


@pytest.mark.parametrize("name", ["settings", "findings", "formats", "file_overview"])
def test_a_page_is_the_program_s_own_table(name: str) -> None:
    spec = importlib.util.spec_from_file_location(f"{name}_page", ROOT / "docs" / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    page = getattr(module, f"{name}_page")()
    assert (ROOT / "docs" / f"{name}.md").read_text() == page, f"mend: python docs/{name}.py"


def test_the_commands_of_the_readme_exist() -> None:
    named = set(re.findall(r"^\s+imgexp-tui ([a-z]+)", (ROOT / "README.md").read_text(), re.MULTILINE))
    assert named
    assert named <= set(COMMANDS)


def test_the_links_of_the_readme_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", (ROOT / "README.md").read_text()):
        assert (ROOT / target).exists(), target
