"""Draws findings: the sentence with the mark of its severity, its evidence, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence

from imgexp_tui.findings.format import SEVERITY_MARKS, format_count, format_evidence
from imgexp_tui.findings.model import Finding, Severity
from imgexp_tui.views.item_layout import ItemLayout
from imgexp_tui.views.styled import Line, line
from imgexp_tui.views.wrap import wrap

_ROLES = {Severity.SERIOUS: "bad", Severity.WARNING: "warn", Severity.INFO: "quiet"}
_INDENT = 4
_MAX_TEXT_WIDTH = 110
"""Most cells of text in a line; longer lines are hard to read."""


def layout_findings(findings: Sequence[Finding], room: int) -> ItemLayout:
    """The findings as lines of `room` cells; the first cell of each line is free for the cursor."""
    layout = ItemLayout()
    size = min(_MAX_TEXT_WIDTH, room - _INDENT - 1)
    for one in findings:
        if layout.lines:
            layout.lines.append(())
        start = len(layout.lines)
        pieces = wrap(one.sentence, size)
        mark = (f" {SEVERITY_MARKS[one.severity]:<{_INDENT - 1}}", _ROLES[one.severity])
        for i, piece in enumerate(pieces):
            layout.lines.append(line(mark if i == 0 else " " * _INDENT, (piece, "strong")))
        for i, piece in enumerate(wrap(one.suggestion, size - 2) if one.suggestion else ()):
            layout.lines.append(line(" " * _INDENT, "→ " if i == 0 else "  ", piece))
        source = " · ".join(part for part in (one.name, format_evidence(one.evidence)) if part)
        layout.lines.extend(line(" " * _INDENT, (piece, "quiet")) for piece in wrap(source, size))
        layout.item_spans.append((start, start, len(layout.lines)))
    return layout


def summary_line(findings: Sequence[Finding] | None) -> Line:
    """The number of findings, coloured by the most severe, with the key that shows them; empty without findings."""
    counted = format_count(findings or ())
    return line((counted[0], _ROLES[counted[1]]), (" F", "key")) if counted else ()


def reason_lines(text: str, room: int) -> list[Line]:
    """A rule's explanation, its paragraphs wrapped to `room` cells."""
    out: list[Line] = []
    for paragraph in text.split("\n\n"):
        out += [()] if out else []
        out += [line(" ", (piece, "")) for piece in wrap(" ".join(paragraph.split()), min(_MAX_TEXT_WIDTH, room - 2))]
    return out
