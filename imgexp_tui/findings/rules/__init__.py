"""Finding rules: one file per rule, found by listing this folder. A new finding is a new file here.

Each module has a docstring (its reasoning, and the thresholds with their sources: it becomes its part of
docs/findings.md), `NAME` (as its file), `ORDER` (its place in the documentation and among findings of the same
severity; the numbers leave gaps) and `find(run_data)`, which returns a `Finding` or None.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path


@cache
def names() -> tuple[str, ...]:
    """Returns the names of all rules, sorted.

    It imports none of them, so that the notebook can be checked before the first frame.
    """
    files = (entry for entry in Path(__file__).parent.iterdir() if entry.suffix == ".py")
    return tuple(sorted(file.stem for file in files if file.stem.isidentifier() and not file.stem.startswith("_")))
