"""A lab whose only trainer counts (`benchmarks/counter.py`), so that a lost line shows."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.helpers import ROOT

NOTEBOOK = """
[lab]
grace = 10
slots = {slots}
[versions.v0]
command = ["python", "counter.py", "0.01", "{{most}}"]
[versions.v0.train]
most = 1000000
"""


def with_counter(lab: Path) -> Path:
    """The lab, with the trainer that its notebook names."""
    shutil.copy(ROOT / "benchmarks" / "counter.py", lab)
    return lab
