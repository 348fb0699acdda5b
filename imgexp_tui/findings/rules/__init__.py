"""Finding rules: one file per rule, found by listing this folder. A new finding is a new file in a subfolder.

`learning/` judges how the model learns, `data/` the images it learns from, `machine/` how the run uses its machine,
`comparison/` a run against those of its base version.

Each module has a docstring (its reasoning, and the thresholds with their sources: it becomes its part of
docs/findings.md), `NAME` (as its file), `ORDER` (its place in the documentation and among findings of the same
severity; the numbers leave gaps) and `find(run_data)`, which returns a `Finding` or None.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path


@cache
def module_names() -> Mapping[str, str]:
    """Maps the name of each rule to the full name of its module, sorted by the rule's name.

    It imports none of them, so that the notebook can be checked before the first frame.
    """
    files = [file for file in Path(__file__).parent.glob("*/*.py") if not file.stem.startswith("_")]
    files.sort(key=lambda file: file.stem)
    return {file.stem: f"{__name__}.{file.parent.name}.{file.stem}" for file in files}


def names() -> tuple[str, ...]:
    """Returns the names of all rules, sorted. It imports none of them."""
    return tuple(module_names())
