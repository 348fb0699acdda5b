"""Writes docs/findings.md from the rules' own reasoning: python docs/findings.py"""

from __future__ import annotations

import re
from pathlib import Path

from imgexp_tui.findings.engine import RULES

HEAD = """\
# Findings

What the numbers of a run say, in sentences with evidence. `F` shows those of the version under the cursor, `imgexp-tui
findings` prints them, and an export has them. They are made from the record alone, hence for any run, also while it
goes on. `!!` is serious: the run is worth little as it is. `!` is a warning: better looked at. `i` is good to know.

Each rule is one file in `imgexp_tui/findings/rules/`, with its thresholds and where they come from. A name in `[lab]`
switches one off:

```toml
[lab]
findings_off = ["batch_headroom", "pace"]
```

How often they are right, on faults that were planted and on healthy runs: [benchmarks](../benchmarks/README.md). What
they say of the six versions, beside what their author noted: [findings and notes](findings_vs_notes.md). This page is
made from the rules by `python docs/findings.py`.
"""


def findings_page() -> str:
    """The page as markdown."""
    parts = [HEAD]
    for rule in RULES:
        text = re.sub(r"([*])", r"\\\1", (rule.__doc__ or "").strip())
        parts.append(f"\n## `{rule.NAME}`\n\n{text}\n")
    return "".join(parts)


if __name__ == "__main__":
    Path(__file__).with_suffix(".md").write_text(findings_page())
