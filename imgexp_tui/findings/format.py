"""Formats findings as text and as rows of data, for the command line, reports and the app."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from imgexp_tui.findings.model import Evidence, Finding, Severity
from imgexp_tui.text import clean_line, format_duration

SEVERITY_MARKS = {Severity.SERIOUS: "!!", Severity.WARNING: "!", Severity.INFO: "i"}
"""Marks that tell the severities apart without colours."""
_MAX_SERIES = 4
"""Series that are named; beyond that their number is given."""
_SYSTEM_PREFIXES = ("host/", "tree/", "gpu")


def format_evidence(evidence: Evidence) -> str:
    """Formats the series and the steps, such as "valid/loss, steps 120 to 480"; "" for none."""
    names = [clean_line(name) for name in evidence.series]
    if len(names) > _MAX_SERIES:
        names = [*names[: _MAX_SERIES - 1], f"{len(names) - _MAX_SERIES + 1} more"]
    parts = [*names, _format_range(evidence)]
    return ", ".join(part for part in parts if part)


def _format_range(evidence: Evidence) -> str:
    if evidence.first is None or evidence.last is None:
        return ""
    if evidence.series and evidence.series[0].startswith(_SYSTEM_PREFIXES):
        return f"{format_duration(evidence.first)} to {format_duration(evidence.last)} after its first sample"
    if evidence.first == evidence.last:
        return f"step {evidence.first:,}"
    return f"steps {evidence.first:,} to {evidence.last:,}"


def format_count(findings: Sequence[Finding]) -> tuple[str, Severity] | None:
    """Returns the number of findings with the mark of the most severe, and that severity; None without findings."""
    if not findings:
        return None
    worst = max((one.severity for one in findings), key=lambda severity: severity.rank)
    return f"{SEVERITY_MARKS[worst]} {len(findings)} finding{'s' if len(findings) > 1 else ''}", worst


def finding_row(finding: Finding) -> dict[str, Any]:
    """Returns one finding as a JSON object; docs/formats.md describes it."""
    evidence = finding.evidence
    return {
        "name": finding.name,
        "severity": finding.severity.value,
        "sentence": finding.sentence,
        "series": [clean_line(name) for name in evidence.series],
        "first": evidence.first,
        "last": evidence.last,
        "suggestion": finding.suggestion,
        "change": dict(finding.change) if finding.change else None,
    }


def rule_reasoning(rule_name: str) -> str:
    """Returns the docstring of a rule, which explains what it finds and why; "" for an unknown name."""
    from imgexp_tui.findings.engine import RULES  # late: a count of findings needs no rule

    return next((rule.__doc__ or "" for rule in RULES if rule_name == rule.NAME), "").strip()
