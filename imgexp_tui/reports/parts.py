"""Lists the parts of an exported page: one table of names, descriptions and the functions that build them.

To add a part, write its function in `sections.py` (or in a module of its own) and add one entry to `PARTS`. The command
line's `--parts`, its help, its error messages and the table in docs/formats.md follow from the entry.

The table names its functions as text and imports none, so that parsing a command line stays fast.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True, slots=True)
class ExportPart:
    """One part of a page.

    Attributes:
        name: the word that `--parts` takes.
        help: what the part holds, as a cell of the table in docs/formats.md.
        page_section: `module:function` that takes the `Page` and returns blocks for the top of the page; "" without.
        version_section: `module:function` that takes the `Page` and a `Version` and returns blocks for each version;
            "" without.
    """

    name: str
    help: str
    page_section: str = ""
    version_section: str = ""

    def load_page_section(self) -> Callable[..., Any] | None:
        """Imports and returns the function of `page_section`; None where the part has none."""
        return _load(self.page_section)

    def load_version_section(self) -> Callable[..., Any] | None:
        """Imports and returns the function of `version_section`; None where the part has none."""
        return _load(self.version_section)


_SECTIONS = "imgexp_tui.reports.sections:"

PARTS = {
    part.name: part
    for part in (
        ExportPart(
            "comparison",
            "a table of the versions, the best of all in bold, and their validation curves on the same axes. Where "
            "`--seeds` made a group: mean ± sample standard deviation of the runs' best values, and how many",
            page_section=_SECTIONS + "comparison",
        ),
        ExportPart(
            "ideas",
            "the open [ideas](ideas.md) of the page's versions as one list",
            page_section=_SECTIONS + "ideas",
        ),
        ExportPart(
            "summary",
            "the summary note, with the tags above it",
            version_section=_SECTIONS + "summary",
        ),
        ExportPart(
            "config",
            "lineage (`v0 → v1 → v2`), problems, and a table of what changed against the base",
            version_section=_SECTIONS + "config",
        ),
        ExportPart(
            "stats",
            'what was measured, in the words of the notes ("GPU Memory Usage: 1,985/8,126 MB"), and what was observed',
            version_section=_SECTIONS + "stats",
        ),
        ExportPart(
            "metrics",
            "the runs; and each metric at the best epoch, last, and by chance",
            version_section=_SECTIONS + "metrics",
        ),
        ExportPart(
            "plots",
            "loss and accuracy: training and validation, the chance line, the best epoch, where a run was resumed",
            version_section=_SECTIONS + "plots",
        ),
        ExportPart(
            "findings",
            "what the numbers of the run say, with `!!`, `!` or `i` for how much it matters, and the comparison with "
            "the base's best run",
            version_section=_SECTIONS + "findings",
        ),
        ExportPart(
            "takeaways",
            "the takeaways note",
            version_section=_SECTIONS + "takeaways",
        ),
    )
}
"""Name → part, in the order in which a page shows them."""


def _load(path: str) -> Callable[..., Any] | None:
    if not path:
        return None
    module, _, function = path.partition(":")
    loaded: Callable[..., Any] = getattr(import_module(module), function)
    return loaded
