"""Findings in words and as rows of data: for the command line, reports and the app alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from imgexp_tui.findings.model import Evidence, Finding, Severity
from imgexp_tui.text import clean_line, duration

MARKS = {Severity.SERIOUS: "!!", Severity.WARNING: "!", Severity.INFO: "i"}
"""Tell the severities apart without colours."""
_MOST = 4
"""Series that are named; of more the number is told."""
_OF_SYSTEM = ("host/", "tree/", "gpu")


def evidence(where: Evidence) -> str:
    """The series and the steps, such as "valid/loss, steps 120 to 480"; "" for none."""
    names = [clean_line(name) for name in where.series]
    if len(names) > _MOST:
        names = [*names[: _MOST - 1], f"{len(names) - _MOST + 1} more"]
    parts = [*names, _stretch(where)]
    return ", ".join(part for part in parts if part)


def _stretch(where: Evidence) -> str:
    if where.first is None or where.last is None:
        return ""
    if where.series and where.series[0].startswith(_OF_SYSTEM):
        return f"{duration(where.first)} to {duration(where.last)} after its first sample"
    if where.first == where.last:
        return f"step {where.first:,}"
    return f"steps {where.first:,} to {where.last:,}"


def counted(found: Sequence[Finding]) -> tuple[str, Severity] | None:
    """The number of findings with the mark of the worst, and how severe that is; None without any."""
    if not found:
        return None
    worst = max((one.severity for one in found), key=lambda severity: severity.rank)
    return f"{MARKS[worst]} {len(found)} finding{'s' if len(found) > 1 else ''}", worst


def row(finding: Finding) -> dict[str, Any]:
    """One finding as JSON has it; the format is told in docs/formats.md."""
    where = finding.evidence
    return {
        "name": finding.name,
        "severity": finding.severity.value,
        "sentence": finding.sentence,
        "series": [clean_line(name) for name in where.series],
        "first": where.first,
        "last": where.last,
        "suggestion": finding.suggestion,
        "change": dict(finding.change) if finding.change else None,
    }


def reason(name: str) -> str:
    """Why the rule of that name finds what it finds, as its file says it; "" where nobody does."""
    from imgexp_tui.findings.engine import RULES  # late: a count of findings needs no rule

    return next((rule.__doc__ or "" for rule in RULES if name == rule.NAME), "").strip()
